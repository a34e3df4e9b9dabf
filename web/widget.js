// The launcher on the shop's page: one button, one frame made on first open. No cookie, no storage, no request before that.
// Everything lives in a shadow root with a constructed stylesheet, so a strict policy of the shop is kept.
(() => {
  const tag = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  if (!tag) return;
  const { origin } = new URL(tag.src);
  const { label, lang = document.documentElement.lang || navigator.language, theme = '' } = tag.dataset;
  const isChinese = lang.toLowerCase().startsWith('zh');
  const words = label || (isChinese ? '線上客服' : 'Chat with us');
  const news = isChinese ? '則新訊息' : 'new';

  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
:host{all:initial;color-scheme:${theme === 'light' || theme === 'dark' ? theme : 'light dark'}}
button{position:fixed;z-index:2147483000;inset-block-end:calc(16px + env(safe-area-inset-bottom));inset-inline-end:16px;max-inline-size:224px;min-block-size:52px;padding:8px 20px;border:2px solid #fff;border-radius:26px;background:#0b6472;color:#fff;font:600 16px/1.25 system-ui,sans-serif;cursor:pointer;box-shadow:0 4px 16px #0004}
button:hover{background:#084d58}
button:focus-visible{outline:3px solid #0b57d0;outline-offset:3px}
b{margin-inline-start:8px;padding:1px 8px;border-radius:99px;background:#fff;color:#0b6472}
b:empty{display:none}
div{position:fixed;z-index:2147483001;inset-block-end:84px;inset-inline-end:16px;inline-size:400px;block-size:min(680px,calc(100dvh - 100px));border-radius:16px;overflow:hidden;box-shadow:0 8px 32px #0005;background:light-dark(#f4f6f8,#0e1318)}
[hidden]{display:none}
iframe{display:block;border:0;inline-size:100%;block-size:100%;color-scheme:normal}
@media(max-width:520px){div{inset:var(--top,0) 0 auto;inline-size:100%;block-size:var(--height,100dvh);border-radius:0}button[aria-expanded=true]{display:none}}
@media(forced-colors:active){button,div{border:2px solid ButtonText}}`);

  const home = document.createElement('aftercare-chat');
  const root = home.attachShadow({ mode: 'open' });
  root.adoptedStyleSheets = [sheet];
  const button = document.createElement('button');
  const badge = document.createElement('b');
  const panel = document.createElement('div');
  button.type = 'button';
  button.setAttribute('aria-expanded', 'false');
  button.append(words, badge);
  panel.hidden = true;
  root.append(panel, button);

  /** @type {HTMLIFrameElement | null} */
  let frame = null;
  let isLoaded = false;

  /** @param {'open' | 'close'} type */
  const tell = (type) => isLoaded && frame?.contentWindow?.postMessage({ type }, origin);

  const make = () => {
    const made = document.createElement('iframe');
    made.title = words;
    made.allow = 'clipboard-write; fullscreen; storage-access';
    made.src = `${origin}/chat/frame?lang=${isChinese ? 'zh-Hant' : 'en'}&theme=${theme}`;
    made.onload = () => {
      isLoaded = true;
      tell(panel.hidden ? 'close' : 'open');
    };
    panel.append(made);
    return made;
  };

  /** A phone's keyboard covers the page without shrinking it; only this page can see how much is left. */
  const fit = () => {
    const view = visualViewport;
    if (!view || panel.hidden) return;
    panel.style.setProperty('--height', `${view.height}px`);
    panel.style.setProperty('--top', `${view.offsetTop}px`);
  };

  /** @param {boolean} isOpen */
  const show = (isOpen) => {
    panel.hidden = !isOpen;
    button.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) {
      frame ??= make();
      badge.textContent = '';
      fit();
      frame.focus();
      tell('open');
    } else {
      tell('close');
      button.focus();
    }
  };

  button.onclick = () => show(panel.hidden === true);
  root.addEventListener('keydown', (event) => {
    if (/** @type {KeyboardEvent} */ (event).key === 'Escape' && !panel.hidden) show(false);
  });
  addEventListener('message', ({ origin: from, source, data }) => {
    if (!frame || from !== origin || source !== frame.contentWindow) return;
    if (data?.type === 'close' && !panel.hidden) show(false);
    if (data?.type === 'unread') badge.textContent = data.n > 0 ? `${Number(data.n)} ${news}` : '';
  });
  visualViewport?.addEventListener('resize', fit);
  visualViewport?.addEventListener('scroll', fit);
  document.body.append(home);
})();
