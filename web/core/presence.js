// Frames of the socket keep no sign-in alive, on purpose; a person's own acts do, told now and then.
import { post } from './calls.js';

const STEP_MS = 5 * 60_000;

/** @param {string} path where this kind of person is told as present */
export function keepPresent(path) {
  let told = Date.now();
  const act = () => {
    if (Date.now() - told < STEP_MS) return;
    told = Date.now();
    post(path).catch(() => undefined); // the line says soon enough when the sign-in has ended
  };
  for (const type of ['keydown', 'pointerdown']) document.addEventListener(type, act, { passive: true });
}
