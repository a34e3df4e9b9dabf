// Clocks that stand still until a test lets time pass, or sets the one that people can set.
import { mock } from 'node:test';

let wall = 0;
let page = 0;

export function stopClocks() {
  [wall, page] = [Date.now(), performance.now()];
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(Date, 'now', () => wall);
  mock.method(performance, 'now', () => page);
}

export function startClocks() {
  mock.timers.reset();
  mock.restoreAll();
}

/** Time goes by, for both clocks and for every timer; a long `step` is a tab out of sight, whose timers run seldom. @param {number} ms @param {number} [step] */
export function pass(ms, step = 500) {
  for (let left = ms; left >= 0; left -= step) {
    const part = Math.min(left, step);
    wall += part;
    page += part;
    mock.timers.tick(part);
    if (left === part) return;
  }
}

/** Somebody sets the clock. @param {number} ms forwards, or back */
export const setClock = (ms) => (wall += ms);
