// What npm would publish: packed, installed without a network, imported, and put to one vector.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { readFile } from '../testing/vectors.js';

const run = promisify(execFile);
const ROOT = new URL('..', import.meta.url).pathname;
const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const dir = mkdtempSync(join(tmpdir(), 'milagro-client-'));
after(() => rmSync(dir, { recursive: true }));

const MAIN = `
import { parseName, Refused, verifyLogin } from '@milagro/client';
import { Client } from '@milagro/client/browser';
const [name] = process.argv.slice(2);
if (typeof Client !== 'function' || typeof verifyLogin !== 'function') throw new Error('not exported');
try {
  parseName('acct:');
  process.exitCode = 1;
} catch (e) {
  if (!(e instanceof Refused)) throw e;
}
console.log(JSON.stringify(parseName(name)));
`;

test('the packed package holds its build and no more, installs offline and runs', { timeout: 60_000 }, async () => {
  const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(packed.stdout);
  const other = files.map((f) => f.path).filter((f) => !/^(README\.md|package\.json|dist\/[a-z-]+(\.d\.ts|\.js))$/.test(f));
  assert.deepEqual(other, []);
  for (const f of ['dist/index.js', 'dist/index.d.ts', 'dist/browser.js', 'dist/worker.js', 'README.md']) assert.ok(files.some((x) => x.path === f), f);
  // Its dependencies are those that are here; they come by links, so that no registry is asked.
  const links = Object.fromEntries(Object.keys(dependencies).map((d) => [d, `file:${join(ROOT, 'node_modules', d)}`]));
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ type: 'module', dependencies: { '@milagro/client': `file:${filename}`, ...links } }));
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: dir });
  writeFileSync(join(dir, 'main.js'), MAIN);
  const c = readFile('names').accept.find((x) => x.kind === 'person');
  const said = await run('node', ['main.js', c.name], { cwd: dir });
  assert.equal(JSON.parse(said.stdout).domain, c.domain);
});

test('its types are those of a strict program, and of the page\'s example', { timeout: 60_000 }, async () => {
  const app = mkdtempSync(join(tmpdir(), 'milagro-types-'));
  after(() => rmSync(app, { recursive: true }));
  cpSync(join(ROOT, 'dist'), join(app, 'node_modules/@milagro/client/dist'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(app, 'node_modules/@milagro/client/package.json'));
  symlinkSync(join(ROOT, 'node_modules/@noble'), join(app, 'node_modules/@noble'));
  writeFileSync(join(app, 'package.json'), '{"type":"module"}');
  writeFileSync(join(app, 'main.ts'), `
    import { Client, memoryStore, type SignedIn, type Stretch } from '@milagro/client';
    declare const stretch: Stretch;
    const client = new Client({ origin: 'https://login.example.org', store: memoryStore(), stretch });
    export const name: Promise<string> = client.signIn({ pin: new Uint8Array(4) }).then((s: SignedIn) => s.name);
    // @ts-expect-error: a PIN is bytes
    export const wrong = client.signIn({ pin: '1234' });
  `);
  const [, example] = readFileSync(join(ROOT, 'README.md'), 'utf8').match(/```ts\n(.*?)```/s);
  writeFileSync(join(app, 'example.ts'), example);
  const args = ['--ignoreConfig', '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,dom', '--types', '', join(app, 'main.ts'), join(app, 'example.ts')];
  await run(join(ROOT, 'node_modules/.bin/tsc'), args).catch((e) => assert.fail(e.stdout));
});
