// The event stream's text format (html.spec.whatwg.org, server-sent events), as a push parser: feed it decoded text, it calls
// back once an event. Comments count as a sign of life only, which is why this is here: EventSource hides them.

const LIMIT = 4 * 1024 * 1024; // of one event; more is a broken stream

export function sseParser(onEvent) {
  let buffer = '';
  let data = [];
  let size = 0;
  let type = '';
  let id = '';
  let lastCr = false;

  function line(text) {
    if (text === '') {
      if (data.length > 0) onEvent({ type: type || 'message', data: data.join('\n'), id });
      data = [];
      size = 0;
      type = '';
      return;
    }
    if (text[0] === ':') return;
    const colon = text.indexOf(':');
    const field = colon < 0 ? text : text.slice(0, colon);
    let value = colon < 0 ? '' : text.slice(colon + 1);
    if (value[0] === ' ') value = value.slice(1);
    if (field === 'data') {
      size += value.length;
      if (size > LIMIT) throw new Error('the event stream sent an event that is too large');
      data.push(value);
    } else if (field === 'event') type = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
  }

  return function feed(text) {
    let chunk = text;
    if (lastCr && chunk[0] === '\n') chunk = chunk.slice(1);
    lastCr = chunk === '' ? lastCr : chunk.endsWith('\r');
    buffer += chunk;
    if (buffer.length > LIMIT) throw new Error('the event stream sent a line that is too long');
    const lines = buffer.split(/\r\n|\n|\r/);
    buffer = lines.pop();
    for (const one of lines) line(one);
  };
}
