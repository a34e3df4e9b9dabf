// The mailbox of a development machine looks for new letters by itself.
const box = document.querySelector('.mailbox');
const LOOK_MS = 3_000;

async function look() {
  try {
    const answer = await fetch('/demo/mailbox/newest', { headers: { Accept: 'application/json' } });
    const { newest } = await answer.json();
    if (newest !== (box instanceof HTMLElement ? box.dataset.newest : '')) location.reload();
  } catch {
    // the server is away for a moment: the next look will tell
  }
}

setInterval(() => document.hidden || void look(), LOOK_MS);
