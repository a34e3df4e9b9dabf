// Menus made of <details>: they close on Escape, on a click elsewhere, and give the focus back.

/** Watches every [data-menu] of the page. */
export function closeMenus() {
  document.addEventListener('click', (event) => {
    for (const menu of openMenus()) if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.isComposing) return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector('summary')?.focus();
    }
  });
}

/** @returns {HTMLDetailsElement[]} */
const openMenus = () => /** @type {HTMLDetailsElement[]} */ ([...document.querySelectorAll('details[data-menu][open]')]);
