// Bundles src/ into dist/:
//   index.html             for "/" and "/r/…"; must be revalidated
//   assets/NAME-HASH.EXT   may be kept for ever
//   each with a .gz beside it
// dist/ is made anew beside the old one and swapped, so a server reading it never sees half of it.
import { build } from 'esbuild';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = fileURLToPath(new URL('.', import.meta.url));
const out = `${here}dist.new`;
const BUDGET = 60 * 1024; // gzipped bytes of the whole page

const result = await build({
  absWorkingDir: here,
  entryPoints: ['src/main.jsx', 'src/style/main.css', 'src/icon.svg'],
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.svg': 'copy' },
  outdir: `${out}/assets`,
  entryNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  legalComments: 'none',
  write: false,
  logLevel: 'warning',
});

await rm(out, { recursive: true, force: true });
await mkdir(`${out}/assets`, { recursive: true });
let page = await readFile(`${here}src/index.html`, 'utf8');
let total = 0;

async function put(path, bytes) {
  const gz = gzipSync(bytes, { level: 9 });
  total += gz.length;
  await writeFile(`${out}/${path}`, bytes);
  await writeFile(`${out}/${path}.gz`, gz);
}

for (const { path, contents } of result.outputFiles) {
  const name = basename(path);
  const source = name.replace(/-[A-Z0-9]{8}(?=\.)/, '');
  if (!page.includes(`%${source}%`)) throw new Error(`index.html does not name ${source} (${extname(name)})`);
  page = page.replaceAll(`%${source}%`, `/assets/${name}`);
  await put(`assets/${name}`, contents);
}
if (/%[a-z.]+%/.test(page)) throw new Error('index.html names a file that was not built');
await put('index.html', Buffer.from(page));
if (total > BUDGET) throw new Error(`the page has grown to ${total} gzipped bytes; its budget is ${BUDGET}`);
await rm(`${here}dist`, { recursive: true, force: true });
await rename(out, `${here}dist`);
console.log(`static/dist: ${total} bytes gzipped`);
