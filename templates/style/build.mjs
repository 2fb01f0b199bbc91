// Builds the files the templates take from Bootstrap: ../static/style.css, cut down to the rules
// the templates and badges use, and the icons of the providers. They are committed, so that building the product
// needs no Node.js. With --check nothing is written and a difference is an error.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PurgeCSS } from "purgecss";
import * as sass from "sass";

const here = import.meta.dirname;
const templates = join(here, "..");

async function style() {
  const { css } = sass.compile(join(here, "style.scss"), {
    loadPaths: [join(here, "node_modules")],
    style: "compressed",
    quietDeps: true,
    silenceDeprecations: ["import"],
  });
  const [purged] = await new PurgeCSS().purge({
    content: [join(templates, "*.html"), join(templates, "parts", "*.html"), join(templates, "..", "src", "pages", "badge.rs")],
    css: [{ raw: css }],
    variables: true,
  });
  return `${purged.css.trim()}\n`;
}

function icon(name) {
  return readFileSync(join(here, "node_modules", "bootstrap-icons", "icons", `${name}.svg`), "utf8");
}

const outputs = [
  [join(templates, "static", "style.css"), await style()],
  ...Object.entries({ evotor: "shop", vk: "chat-dots" }).map(([provider, name]) => [
    join(templates, "..", "src", "providers", provider, "icon.svg"),
    `${icon(name).trim()}\n`,
  ]),
];

if (process.argv.includes("--check")) {
  const stale = outputs.filter(([path, content]) => readFileSync(path, "utf8") !== content);
  for (const [path] of stale) console.error(`${path} is not what build.mjs makes: run npm run build`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const [path, content] of outputs) writeFileSync(path, content);
}
