//go:build !race

package wallet_test

// stride is how many file operations lie between two at which a login is broken off.
const stride = 1
