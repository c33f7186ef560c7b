// Bundles every view (a .ts file of this folder) and every style sheet (a .css file of this folder) into one self-contained
// file each. `--check` writes nothing and fails where a committed file differs from a fresh one.
import { existsSync, readFileSync, readdirSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "fvhooks", "widgets", "static");
const check = process.argv.includes("--check");
const entries = readdirSync(here).filter((name) => /\.(ts|css)$/.test(name) && !/\.(config|d)\.ts$/.test(name));

const { outputFiles } = await build({
  entryPoints: entries.map((name) => join(here, name)),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  outdir: target,
  write: false,
});

const names = outputFiles.map((file) => basename(file.path));
const committed = existsSync(target) ? readdirSync(target).filter((name) => /\.(js|css)$/.test(name)) : [];
const orphans = committed.filter((name) => !names.includes(name));
const stale = outputFiles.filter((file) => !existsSync(file.path) || readFileSync(file.path, "utf8") !== file.text);

if (check) {
  for (const file of stale) console.error(`stale: ${basename(file.path)}`);
  for (const name of orphans) console.error(`has no source: ${name}`);
  if (stale.length + orphans.length > 0) {
    console.error("Run `npm run build` in widgets/ and commit what it writes.");
    process.exit(1);
  }
} else {
  mkdirSync(target, { recursive: true });
  for (const file of stale) writeFileSync(file.path, file.text);
  console.log(`${names.join(", ")}: ${stale.length} written`);
}
