// Text from the cluster is hostile: anyone who may write an annotation or answer a health check writes it. It is only ever
// shown as text; here it also loses what could make it look like something else.

const LIMIT = 4000;

// Controls (line breaks and tabs stay), line separators, direction overrides, zero-width and tag characters: shown as \u{…}
// so that a copied command is what was read.
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export function clean(value, limit = LIMIT) {
  if (value === null || value === undefined) return '';
  let text = String(value).replace(/\r\n?/g, '\n');
  const cut = text.length > limit ? text.length - limit : 0;
  if (cut > 0) text = text.slice(0, limit);
  text = text.replace(HIDDEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  return cut > 0 ? `${text}… (${cut} more characters)` : text;
}

// An address that may become a link, else "". Absolute http and https only; no credentials in it.
export function linkOf(value) {
  if (typeof value !== 'string' || value.length > 2048) return '';
  let url;
  try {
    url = new URL(value);
  } catch {
    return '';
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return '';
  if (url.username !== '' || url.password !== '') return '';
  return url.href;
}

// "health_check_timeout" → "Health check timeout".
export function humanise(code) {
  const text = clean(code, 80).replace(/_/g, ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// What a cause is called: by the catalogue's title where the server says it.
export const causeName = (code, title) => (title ? clean(title, 120) : humanise(code));

// The last path element of an image, which is what differs between revisions: "web:1.4.2".
export function shortImage(image) {
  const text = clean(image, 300);
  const name = text.slice(text.lastIndexOf('/') + 1);
  return name.replace(/@sha256:([0-9a-f]{7})[0-9a-f]*/, '@$1');
}

// "target-health.elbv2.k8s.aws/k8s-shop-web-1a2b" → "k8s-shop-web-1a2b"; types without a slash stay.
export function shortGate(gate) {
  if (gate.binding) return clean(gate.binding, 253);
  const type = clean(gate.type, 317);
  const slash = type.indexOf('/');
  return slash >= 0 ? type.slice(slash + 1) : type;
}

// What turned, in a timeline: a gate's type without its prefix, or the target group's name and the target.
export function shortSubject(subject) {
  const text = clean(subject, 400);
  const group = /:targetgroup\/([^/\s]+)\/[^\s]*(.*)$/.exec(text);
  return group ? group[1] + group[2] : text.slice(text.lastIndexOf('/') + 1);
}
