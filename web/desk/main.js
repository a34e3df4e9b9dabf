// The few things server-drawn staff pages need from a script; every page works without it but for the fragment.
import { fillToken } from './first.js';
import { closeMenus } from './menus.js';

closeMenus();
fillToken();

for (const button of document.querySelectorAll('[data-prints]')) {
  if (!(button instanceof HTMLButtonElement)) continue;
  button.hidden = false;
  button.addEventListener('click', () => window.print());
}

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.confirm) return;
  if (!window.confirm(form.dataset.confirm)) event.preventDefault();
});
