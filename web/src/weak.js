// Whether a PIN is among the first that a thief would try (wallet.WeakPIN): for a hint, never for a refusal.

const FREQUENT =
  '1004 1122 2580 6969 1342 1397 1379 5683 0852 1233 1236 1245 1478 9630 3141 8520 112233 123321 147258 147852 159753 159357 ' +
  '258456 332211 520131 789456 741852 963852 142536 1q2w3e 1qaz2wsx qwerty qwertz azerty asdf qwer letmein password passwort iloveyou admin welcome';

const [ZERO, NINE] = [0x30, 0x39];

const steps = (pin, by) =>
  pin.every((next, i) => {
    if (i === 0) return true;
    const last = pin[i - 1];
    const around = (by > 0 && last === NINE && next === ZERO) || (by < 0 && last === ZERO && next === NINE);
    return next - last === by || around;
  });

// Its own first part several times, 1212 or 123123, or pairs of the same, 1122.
function repeats(pin) {
  for (let n = 2; n <= pin.length / 2; n++) {
    if (pin.length % n === 0 && pin.every((c, i) => i < n || c === pin[i - n])) return true;
  }
  return pin.length % 2 === 0 && pin.every((c, i) => i % 2 === 1 || c === pin[i + 1]);
}

// A year, a day and month, or all three, in any order that people write.
function looksLikeDate(pin) {
  if (!pin.every((c) => c >= ZERO && c <= NINE)) return false;
  const two = (i) => (pin[i] - ZERO) * 10 + pin[i + 1] - ZERO;
  const year = (i) => two(i) === 19 || two(i) === 20;
  const day = (i) => {
    const [a, b] = [two(i), two(i + 2)];
    return a >= 1 && b >= 1 && ((a <= 12 && b <= 31) || (a <= 31 && b <= 12));
  };
  switch (pin.length) {
    case 4: return year(0) || day(0);
    case 6: return day(0) || day(2) || (year(0) && two(4) <= 12) || (year(2) && two(0) <= 12);
    case 8: return (day(0) && year(4)) || (year(0) && day(4));
    default: return false;
  }
}

const isFrequent = (pin) => FREQUENT.split(' ').some((f) => f.length === pin.length && pin.every((c, i) => c === f.charCodeAt(i)));

/**
 * @param {Uint8Array} pin
 * @returns {''|'same'|'steps'|'repeats'|'date'|'frequent'} why it is weak
 */
export function weakness(pin) {
  if (steps(pin, 0)) return 'same';
  if (steps(pin, 1) || steps(pin, -1)) return 'steps';
  if (repeats(pin)) return 'repeats';
  if (looksLikeDate(pin)) return 'date';
  return isFrequent(pin) ? 'frequent' : '';
}
