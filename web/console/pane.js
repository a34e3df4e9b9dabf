// What the console's elements share: each keeps what the server drew until it is given the desk.
import { Part } from '../parts/element.js';

/** @import { Desk } from './desk.js' */

export class Pane extends Part {
  /** @type {Desk | undefined} */
  #desk;

  /** Takes over from the server's first drawing. @param {Desk} desk */
  attach(desk) {
    this.#desk = desk;
    this.replaceChildren();
    this.listen(desk);
    this.update();
  }

  get desk() {
    if (!this.#desk) throw new Error('no desk yet');
    return this.#desk;
  }

  /** @override */
  connectedCallback() {
    if (this.#desk) super.connectedCallback();
  }

  /** What this element waits for. @param {Desk} _desk */
  listen(_desk) {}

  /** Draw again whenever one of these happens. @param {EventTarget} source @param {...string} types */
  follow(source, ...types) {
    for (const type of types) source.addEventListener(type, () => this.update());
  }
}
