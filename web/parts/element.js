// What every part is: a custom element that draws its own light DOM with lit-html, at most once per frame.
import { render } from 'lit-html';

/** @import { TemplateResult } from 'lit-html' */

export class Part extends HTMLElement {
  #asked = false;

  connectedCallback() {
    this.update();
  }

  /** What is inside this element now. @returns {TemplateResult | unknown} */
  view() {
    return '';
  }

  /** Draw soon; several calls in one turn draw once. */
  update() {
    if (this.#asked) return;
    this.#asked = true;
    queueMicrotask(() => {
      this.#asked = false;
      if (this.isConnected) this.draw();
    });
  }

  /** Draw now. */
  draw() {
    render(this.view(), this);
    this.drawn();
  }

  /** After every drawing. */
  drawn() {}

  /** Tell whoever listens above. @param {string} type @param {unknown} [detail] */
  tell(type, detail) {
    return this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, cancelable: true }));
  }
}

/** The one element of this kind inside `root`; a template without it is our mistake. @template {Element} T @param {ParentNode} root @param {string} selector @param {new () => T} kind @returns {T} */
export function part(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`no ${selector} here`);
  return found;
}
