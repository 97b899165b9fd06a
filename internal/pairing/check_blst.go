//go:build cgo

package pairing

// const char *milagro_pairing_refusal(unsigned int features);
// unsigned int milagro_pairing_features(void);
import "C"

import "errors"

// Check returns an error that says what to do when this processor lacks
// instructions for which the backend was built. On Unix such a program ends
// earlier, with the same text on standard error, because blst computes before
// main.
func Check() error { return refusal(uint32(C.milagro_pairing_features())) }

func refusal(features uint32) error {
	text := C.milagro_pairing_refusal(C.uint(features))
	if text == nil {
		return nil
	}
	return errors.New(C.GoString(text))
}
