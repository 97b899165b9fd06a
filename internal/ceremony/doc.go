// Package ceremony carries the messages of a ceremony between authorities over
// HTTP (spec/ceremony.md "Carrying the messages"), and those of the first
// domain document after it.
//
// A coordinator is trusted with nothing: every message is signed by its sender
// and every secret sealed to its receiver. It may be killed at any step and run
// again, by anybody who has the plan: authorities say how far they are. When a
// message proves a fault, Run returns a *Conviction with the file that shows it.
package ceremony
