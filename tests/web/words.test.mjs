// Words, times and amounts as people of both languages read them; ids and uploads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carry, Refused } from '../../web/core/calls.js';
import { clientId } from '../../web/core/frames.js';
import { countdown, day, money, percent, shortDay, size } from '../../web/core/format.js';
import { t, use } from '../../web/core/i18n.js';
import { Upload } from '../../web/core/upload.js';

test('a plural takes its form from the language', () => {
  use({ news: { one: '{n} new message', other: '{n} new messages' } }, 'en');

  assert.equal(t('news', { n: 1 }), '1 new message');
  assert.equal(t('news', { n: 1200 }), '1,200 new messages');

  use({ news: { other: '{n} 則新訊息' } }, 'zh-Hant');
  assert.equal(t('news', { n: 1 }), '1 則新訊息');
});

test('a missing word shows its key and a missing value its hole', () => {
  use({ who: '{name} is writing' }, 'en');

  assert.equal(t('nowhere'), 'nowhere');
  assert.equal(t('who'), '{name} is writing');
});

test('days, amounts and sizes are written in the language of the page', () => {
  const at = Date.UTC(2026, 10, 20, 4);
  use({}, 'en');
  const english = [shortDay(at), day(at), money('1280', 'TWD'), money('47.5', 'EUR'), size(31_000_000), percent(0.64)];
  use({}, 'zh-Hant');
  const chinese = [shortDay(at), day(at), money('1280', 'TWD')];

  assert.deepEqual(english, ['20 Nov', '20 November 2026', 'NT$1,280', '€47.50', '31 MB', '64%']);
  assert.deepEqual(chinese, ['11月20日', '2026年11月20日', 'NT$1,280']);
  assert.equal(countdown(47_200), '0:48');
});

test('client ids sort by the time they were made', () => {
  const ids = [clientId(1), clientId(2), clientId(1_800_000_000_000)];

  assert.deepEqual([...ids].sort(), ids);
  assert.match(ids[0], /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

class Request {
  upload = {};
  headers = {};
  open(method, path) {
    Object.assign(this, { method, path });
  }
  setRequestHeader(name, value) {
    this.headers[name] = value;
  }
  send() {}
  abort() {
    this.isAborted = true;
  }
}

function sending() {
  const requests = [];
  const upload = new Upload('/chat/conversations/c1/media', new File(['12345678'], 'cup & saucer.jpg', { type: 'image/jpeg' }), {
    make: () => requests[requests.push(new Request()) - 1],
  });
  upload.start();
  return { upload, requests };
}

test('an upload tells how far it is, then that it is being checked, then what it became', () => {
  carry('token');
  const { upload, requests: [request] } = sending();

  request.upload.onprogress({ loaded: 4 });
  const half = [upload.phase, upload.progress];
  request.upload.onprogress({ loaded: 9 });
  const whole = [upload.phase, upload.progress];
  Object.assign(request, { status: 201, responseText: '{"id":"a1","kind":"image"}' }).onload();

  assert.deepEqual([half, whole], [['sending', 0.5], ['checking', 1]]);
  assert.deepEqual([upload.phase, upload.attachment.id], ['done', 'a1']);
  assert.equal(request.headers['X-CSRF-Token'], 'token');
  assert.match(request.path, /name=cup%20%26%20saucer\.jpg/);
});

test('a broken upload is tried again under the same id; a refused kind is not', () => {
  const { upload, requests } = sending();

  requests[0].onerror();
  assert.deepEqual([upload.phase, upload.mayRetry], ['failed', true]);
  upload.retry();
  assert.equal(requests[1].path, requests[0].path);

  Object.assign(requests[1], { status: 415, responseText: '{"error":"type","message":"Another kind."}' }).onload();
  assert.deepEqual([upload.phase, upload.mayRetry, upload.reason.message], ['failed', false, 'Another kind.']);
  assert.ok(upload.reason instanceof Refused);
});

test('a cancelled upload stays cancelled, whatever answers late', () => {
  const { upload, requests: [request] } = sending();

  upload.cancel();
  request.onerror();

  assert.equal(upload.phase, 'cancelled');
  assert.equal(request.isAborted, true);
});
