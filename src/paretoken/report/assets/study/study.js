/* The data of the study, and the words and colours of what it names. */
import { readData } from "../base/data.js";
import { isDark } from "../base/theme.js";

export const data = await readData();
export const word = (index) => (index === null || index === undefined ? null : data.text[index]);
export const accelerators = new Map(data.accelerators.map((a) => [a.id, a]));
export const tariffs = new Map(data.tariffs.map((t) => [t.id, t]));
export const engineName = (id) => data.engines[id] || id;
export const tint = (id) => accelerators.get(id)[isDark() ? "dark" : "light"];
export const labelTint = (id) => accelerators.get(id)[isDark() ? "labelDark" : "label"];
