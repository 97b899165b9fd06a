// Package dkg makes a master key that nobody knows: the ceremony of
// spec/ceremony.md as a machine for each authority, messages in and messages
// out, with no clock, network or disk.
//
// A Party is one authority in one run of a Plan that all have signed. It gives
// its messages round by round (Next) once it was handed those of the others
// (Receive). Its last, the confirmation, may leave only after its owner has
// made the share of Result durable. n confirmations are a Certificate.
//
// A fault that a message proves is a *Blame, whose file convicts the culprit
// before anybody who runs Judge on it. What a Party keeps besides, the private
// halves of the keys to which shares were sealed, lives in memory only.
package dkg
