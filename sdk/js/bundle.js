// Bundles the pages of package web into ../../web/assets, the same bytes each time; with --check it says whether these are there.

import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';

const ASSETS = new URL('../../web/assets/', import.meta.url);
const at = (path) => new URL(path, import.meta.url).pathname;

const results = await Promise.all(
  [['app', at('../../web/src/main.js')], ['stretch', at('src/worker.ts')]].map(([out, entry]) =>
    build({
      entryPoints: { [out]: entry }, outdir: ASSETS.pathname, write: !process.argv.includes('--check'), bundle: true, minify: true, format: 'esm',
      target: 'es2022', charset: 'utf8', legalComments: 'inline', loader: { '.txt': 'text' }, nodePaths: [at('node_modules')],
      absWorkingDir: at('../..'), logLevel: 'warning',
      alias: { 'hash-wasm': at('node_modules/hash-wasm/dist/argon2.umd.min.js') },
    }),
  ),
);

if (process.argv.includes('--check')) {
  for (const { path, contents } of results.flatMap((r) => r.outputFiles)) {
    if (!Buffer.from(contents).equals(await readFile(path))) {
      console.error(`${path} is not what its sources make: npm run bundle`);
      process.exitCode = 1;
    }
  }
}
