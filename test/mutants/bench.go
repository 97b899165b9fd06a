package main

// benchMutants are breaks of what the rows of sign-in measure.
var benchMutants = []mutant{
	{"signs in at a server without OpenID", "R47", "bench/login_process.go", "\t\tcfg.OpenID = login.WithOpenID\n", "\t\tcfg.OpenID = login.NoOpenID\n", "bench", "TestBrowsersSignInAtAnApplication"},
	{"weighs a server that it did not ask to settle", "R47", "bench/openid.go", "c.process.settle()", "c.process.usage()", "bench", "TestMemoryOfOpenSessionsIsWeighed"},
}
