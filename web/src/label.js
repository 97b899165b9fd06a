// What a person will know this device by in a list.

const SYSTEMS = [['Android', /Android/], ['iPhone', /iPhone/], ['iPad', /iPad/], ['Windows', /Windows/], ['Mac', /Mac OS/], ['ChromeOS', /CrOS/], ['Linux', /Linux/]];
const BROWSERS = [['Edge', /Edg\//], ['Opera', /OPR\//], ['Firefox', /Firefox\//], ['Chrome', /Chrom(e|ium)\//], ['Safari', /Safari\//]];

const first = (table, agent) => table.find(([, pattern]) => pattern.test(agent))?.[0];

/** @param {string} [agent] @returns {string} such as "Firefox on Linux" */
export const deviceLabel = (agent = navigator.userAgent) => [first(BROWSERS, agent), first(SYSTEMS, agent)].filter(Boolean).join(' on ');
