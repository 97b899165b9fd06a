//go:build race

package wallet_test

// stride is how many file operations lie between two at which a login is broken
// off: the race detector, under which all is slow, looks for races, and other runs
// break off at each.
const stride = 5
