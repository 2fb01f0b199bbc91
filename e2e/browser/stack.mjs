// Starts and stops the local stack and a browser.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const root = join(import.meta.dirname, "..", "..");
const screenshots = join(root, "screenshots");

// Starts `cargo run -- --port 0 --memory --vk-flow <flow>` and resolves with the addresses it prints. Its
// log is written beside the screenshots.
export async function startStack(flow) {
  mkdirSync(screenshots, { recursive: true });
  const child = spawn("cargo", ["run", "--quiet", "--", "--port", "0", "--memory", "--vk-flow", flow], {
    cwd: root,
    stdio: ["ignore", "pipe", openSync(join(screenshots, `stack-${flow}.log`), "w")],
    detached: true,
  });
  const addresses = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const printed = line.match(/^ {2}(product|simulated VK|sign-in) +(http:\S+)/);
    if (printed) addresses[printed[1]] = new URL(printed[2]).origin;
    if (line.startsWith("ready ")) break;
  }
  if (!addresses.product) throw new Error("the stack did not start");
  const stop = () => new Promise((stopped) => {
    child.once("exit", stopped);
    process.kill(-child.pid, "SIGINT");
  });
  return { product: addresses.product, vk: addresses["simulated VK"], issuer: addresses["sign-in"], stop };
}

// Starts Chromium with a new profile; CHROMIUM is the binary's path, if it is not Debian's.
export async function startBrowser() {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1000, height: 760 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const stop = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, stop };
}

// Saves a screenshot of the page.
export async function picture(page, name) {
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}
