package main

// sdkMutants are breaks of sdk/js: of what a browser keeps, and of checks that only
// the second implementation's own tests see.
var sdkMutants = []mutant{
	{"lets scripts export a device key", "R34", "sdk/js/src/vault.ts", "crypto.subtle.generateKey(ECDSA, bound !== undefined, ['sign'])", "crypto.subtle.generateKey(ECDSA, true, ['sign'])", "sdk/js/test/storage.test.js", "no key that is stored can be exported"},
	{"lets scripts export the key that seals", "R34", "sdk/js/src/vault.ts", "{ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']", "{ name: 'AES-GCM', length: 256 }, true, ['encrypt', 'decrypt']", "sdk/js/test/storage.test.js", "no key that is stored can be exported"},
	{"stores the private half of a bound key as it is", "R34", "sdk/js/src/vault.ts", "const record: DeviceRecord = bound ? {", "const record: DeviceRecord = bound && id === '' ? {", "sdk/js/test/storage.test.js", "a bound private key is in the store but sealed, from the beginning"},
	{"seals what is bound by a key that lies beside it", "R34", "sdk/js/src/vault.ts", "return (await this.bindingOf(id))?.key ?? this.#wrap();", "return id === '' ? (await this.bindingOf(id))?.key ?? this.#wrap() : this.#wrap();", "sdk/js/test/storage.test.js", "a bound private key is in the store but sealed, from the beginning"},
	{"makes the binding key of what is stored", "R34", "sdk/js/src/authenticator.ts", "const raw = Uint8Array.from(secret);", "const raw = Uint8Array.from(salt);", "sdk/js/test/storage.test.js", "a copied profile signs in with the PIN, unless it is bound to an authenticator"},
	{"forgets the binding in a change of PIN", "R34", "sdk/js/src/client.ts", "newDevice(bound ?? (await this.#vault.bindingOf(old.id)))", "newDevice(bound)", "sdk/js/test/storage.test.js", "a change of PIN keeps the binding, and may make one"},
	{"asks to confirm before the PIN was entered", "R34", "sdk/js/src/client.ts", "if (!account.active || (await this.#vault.isBound(account.active))) return;", "if (!account.active) return;", "sdk/js/test/storage.test.js", "a bound login asks once a sign-in, and never before the PIN"},
	{"keeps what an authenticator has confirmed", "R34", "sdk/js/src/vault.ts", "    this.#unlocked.clear();\n", "", "sdk/js/test/storage.test.js", "a bound login asks once a sign-in, and never before the PIN"},
	{"opens a sealed value in another place", "R34", "sdk/js/src/vault.ts", "lp('milagro/v1 browser', text(place))", "lp('milagro/v1 browser', text(place.slice(0, 0)))", "sdk/js/test/storage.test.js", "a sealed value opens in its own place only"},
	{"takes a dealing in a browser that nobody possesses", "R8", "sdk/js/src/dealing.ts", "encodePoint(R, 'R'))) === c, `reveal", "encodePoint(R, 'R'))) !== 0n, `reveal", "sdk/js/test/ceremony.test.js", "a reveal that does not possess, or of more than t commitments, is malformed"},
	{"takes a certificate in a browser that not all have signed", "R10", "sdk/js/src/dealing.ts", "need(ed25519.verify(s, confirmed, plan.cards[i].key, { zip215: false }),", "need(ed25519.verify(s, confirmed, plan.cards[i].key, { zip215: false }) || i > 0,", "sdk/js/test/ceremony.vectors.test.js", "vectors/ceremony.json"},
}
