// The one-time token of the first administrator: it travels in the fragment, so no server log ever holds it.

/** Moves the token from the address into the form and takes it out of the address and the history. */
export function fillToken() {
  const field = document.querySelector('form[data-start] input[name="token"]');
  const token = location.hash.slice(1);
  if (!(field instanceof HTMLInputElement) || !token) return;
  field.value = token;
  history.replaceState(null, '', location.pathname + location.search);
  document.getElementById('name')?.focus();
}
