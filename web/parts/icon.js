// Our own drawn shapes, from the page's sprite (<html data-icons>).
import { html } from 'lit-html';

/** @param {string} name @param {string} [classes] */
export const icon = (name, classes = '') =>
  html`<svg class=${`icon ${classes}`.trim()} aria-hidden="true"><use href=${`${document.documentElement.dataset.icons}#${name}`}></use></svg>`;
