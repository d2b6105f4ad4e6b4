// A command with its copy button. What is copied is exactly what is shown: text with nothing hidden in it.
import { useRef, useState } from 'preact/hooks';
import { clean } from '../lib/text.js';
import { announce } from '../state/announce.js';
import { Glyph } from './icons.jsx';

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOld(text); // pages over plain http have no clipboard object
  }
}

function copyOld(text) {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'offscreen';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}

export function Command({ text }) {
  const [done, setDone] = useState('');
  const timer = useRef(null);
  const shown = clean(text);
  const click = async () => {
    const ok = await copy(shown);
    setDone(ok ? 'copied' : 'not copied');
    announce(ok ? 'Copied' : 'The browser does not let this page copy');
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(''), 2000);
  };
  return (
    <div class="command">
      <code tabIndex={0}>{shown}</code>
      <button type="button" class="small" onClick={click} aria-label={`Copy: ${clean(text, 120)}`}>
        <Glyph of="copy" />
        <span>{done || 'copy'}</span>
      </button>
    </div>
  );
}
