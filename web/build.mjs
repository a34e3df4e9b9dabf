// Bundles the browser sources into web/dist, with a hash in every name but the widget's, and fails when a budget is broken.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, 'dist');

/** Published name -> source. A room that is not there yet is left out; the page that asks for it will say so. */
const sources = {
  'widget.js': 'widget.js',
  'shopper.js': 'shopper/main.js',
  'shopper.css': 'shopper/screen.css',
  'console.js': 'console/main.js',
  'console.css': 'console/screen.css',
  'desk.js': 'desk/main.js',
  'desk.css': 'desk/screen.css',
  'page.css': 'css/page.css',
  'mydata.css': 'css/mydata.css',
  'demo.js': 'shopper/demo.js',
  'demo.css': 'css/demo.css',
  'icons.svg': 'icons.svg',
};

/** Brotli bytes, from the design's table of budgets. */
const budgets = [
  { what: 'widget on the shop’s page', names: ['widget.js'], limit: 2560 },
  { what: 'shopper frame, script', names: ['shopper.js'], limit: 30 * 1024 },
  { what: 'shopper frame, style', names: ['shopper.css'], limit: 8 * 1024 },
  { what: 'shopper frame, all', names: ['shopper.js', 'shopper.css', 'icons.svg'], limit: 45 * 1024 },
  { what: 'console, script', names: ['console.js'], limit: 70 * 1024 },
  { what: 'console, style', names: ['console.css'], limit: 12 * 1024 },
  { what: 'desk pages, script', names: ['desk.js'], limit: 10 * 1024 },
];

/** The widget keeps its name because the shop wrote it into its own pages. */
const fixedNames = new Set(['widget.js']);

/** @param {string} source @returns {Promise<Buffer>} */
async function bundle(source) {
  const path = join(root, source);
  if (source.endsWith('.svg')) return readFile(path);
  const result = await build({
    entryPoints: [path],
    bundle: true,
    minify: true,
    format: source === 'widget.js' ? 'iife' : 'esm',
    target: ['chrome120', 'firefox121', 'safari17.5'],
    external: ['*.svg'],
    legalComments: 'none',
    charset: 'utf8',
    write: false,
    logLevel: 'warning',
  });
  const [output] = result.outputFiles;
  if (!output) throw new Error(`${source}: the bundler wrote nothing`);
  return Buffer.from(output.contents);
}

/** @param {string} name @param {Buffer} content */
function published(name, content) {
  if (fixedNames.has(name)) return name;
  const hash = createHash('sha256').update(content).digest('base64url').replace(/[-_]/g, '').slice(0, 10);
  return name.replace(/\.(\w+)$/, `.${hash}.$1`);
}

/** @param {Buffer} content */
const squeeze = (content) =>
  brotliCompressSync(content, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  });

/** Whole or not at all: a reader of dist never meets half a file. @param {string} name @param {string | Buffer} content */
async function place(name, content) {
  const draft = join(dist, `.${name}.${process.pid}`);
  await writeFile(draft, content);
  await rename(draft, join(dist, name));
}

/** The licences of what we ship, beside it. @returns {Promise<string>} */
async function licences() {
  const text = await readFile(join(root, 'node_modules/lit-html/LICENSE'), 'utf8');
  return `lit-html\n\n${text}`;
}

/** @returns {Promise<Map<string, number>>} brotli bytes of every published name */
async function publish() {
  await mkdir(dist, { recursive: true });
  const sizes = new Map();
  /** @type {Record<string, string>} */
  const manifest = {};
  for (const [name, source] of Object.entries(sources)) {
    if (!existsSync(join(root, source))) continue;
    const content = await bundle(source);
    const squeezed = squeeze(content);
    manifest[name] = published(name, content);
    await place(manifest[name], content);
    await place(`${manifest[name]}.br`, squeezed);
    sizes.set(name, squeezed.length);
  }
  await place('licences.txt', await licences());
  await place('manifest.json', JSON.stringify(manifest, null, 1));
  await sweep(new Set(Object.values(manifest)));
  return sizes;
}

/** Drops what no manifest names any more. @param {Set<string>} current */
async function sweep(current) {
  const keep = new Set(['manifest.json', 'licences.txt']);
  for (const name of await readdir(dist)) {
    if (name.startsWith('.') || keep.has(name) || current.has(name.replace(/\.br$/, ''))) continue;
    await rm(join(dist, name), { force: true });
  }
}

/** @param {Map<string, number>} sizes @returns {string[]} the budgets that were broken, in words */
function broken(sizes) {
  const over = [];
  for (const { what, names, limit } of budgets) {
    if (!names.some((name) => sizes.has(name))) continue;
    const total = names.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
    console.log(`${String(total).padStart(7)} of ${String(limit).padStart(6)} bytes  ${what}`);
    if (total > limit) over.push(`${what}: ${total} bytes, ${limit} allowed`);
  }
  return over;
}

const over = broken(await publish());
if (over.length) {
  console.error(`Over budget:\n${over.join('\n')}`);
  process.exitCode = 1;
}
