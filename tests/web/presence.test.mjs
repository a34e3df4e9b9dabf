// A person who types or taps is told as present, seldom; one who only looks is not.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { keepPresent } from '../../web/core/presence.js';
import { requests } from './lines.mjs';

test('whoever writes is told as present at most every five minutes', () => {
  mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
  globalThis.document = Object.assign(new EventTarget(), { documentElement: { lang: '' } });
  const asked = requests();
  keepPresent('/shopper/here');

  for (const minutes of [1, 3, 2, 4, 6]) {
    mock.timers.tick(minutes * 60_000);
    document.dispatchEvent(new Event('keydown'));
  }

  assert.deepEqual(asked.map(({ path, method }) => `${method} ${path}`), ['POST /shopper/here', 'POST /shopper/here']);
  mock.timers.reset();
  delete globalThis.document;
});
