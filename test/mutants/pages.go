package main

// pagesMutants are breaks of the pages that a login server serves to browsers.
var pagesMutants = []mutant{
	{"lets pages be framed", "R35", "web/web.go", "frame-ancestors 'none'; ", "", "web", "TestPolicyIsStrict"},
	{"lets old browsers frame pages", "R35", "web/web.go", "\th.Set(\"X-Frame-Options\", \"DENY\")\n", "", "web", "TestPolicyIsStrict"},
	{"lets pages run what is written in them", "R35", "web/web.go", "script-src 'self' 'wasm-unsafe-eval'", "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'", "web", "TestPolicyIsStrict"},
	{"lets pages ask other origins", "R35", "web/web.go", "connect-src 'self'", "connect-src *", "web", "TestPolicyIsStrict"},
	{"lets scripts make markup of text", "R35", "web/web.go", "require-trusted-types-for 'script'; ", "", "web", "TestPolicyIsStrict"},
	{"tells others which page led to them", "R35", "web/web.go", "\"no-referrer\"", "\"unsafe-url\"", "web", "TestPolicyIsStrict"},
	{"lets other origins load what pages load", "R35", "web/web.go", "\"Cross-Origin-Resource-Policy\", \"same-origin\"", "\"Cross-Origin-Resource-Policy\", \"cross-origin\"", "web", "TestPolicyIsStrict"},
	{"loads its script from elsewhere", "R35", "web/page.html", "src=\"{{asset \"app.js\"}}\"", "src=\"//cdn.example{{asset \"app.js\"}}\"", "web", "TestPagesAskNobodyElse"},
	{"lets caches keep pages", "R35", "web/web.go", "\"no-store\"", "\"public\"", "web", "TestAssetsAreKeptAndPagesAreNot"},
	{"serves pages without any policy", "R35", "web/web.go", "\th.Set(\"Content-Security-Policy\", policy)\n\th.Set(\"X-Content-Type-Options\", \"nosniff\")\n\th.Set(\"X-Frame-Options\", \"DENY\")\n", "", "test/browser", "TestPagesInChromium"},
	{"leaves the last key of a PIN in the page", "R32", "web/assets/app.js", ".dataset.key));document.", ".dataset.key,document.body.dataset.last=event.target.dataset.key));document.", "test/browser", "TestPagesInChromium"},
	{"shows people what the server said", "R31", "web/web.go", "if a == Developers {", "if a != Developers {", "web", "TestErrorsAreForPeopleUnlessSaid"},
}
