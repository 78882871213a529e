/* The list of runs that measure now, anew every two seconds while it is in view. */
import { byId } from "../report/base/dom.js";
import { wireTheme } from "../report/base/theme.js";

const EVERY_MS = 2000;

const box = () => document.querySelector("#going .scroll");

async function look() {
  const response = await fetch(location.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const next = page.getElementById("going");
  if (!next) throw new Error("no list");
  const left = box()?.scrollLeft ?? 0;
  const focus = document.activeElement?.getAttribute("href");
  byId("going").replaceWith(next);
  if (box()) box().scrollLeft = left;
  if (focus) [...next.querySelectorAll("a")].find((a) => a.getAttribute("href") === focus)?.focus();
}

async function again() {
  if (!document.hidden) {
    try {
      await look();
      byId("state").textContent = "";
    } catch {
      byId("state").textContent = "The connection is lost; trying again.";
    }
  }
  setTimeout(again, EVERY_MS);
}

wireTheme(() => {});
setTimeout(again, EVERY_MS);
performance.mark("paretoken-drawn");
