package main

var sidecarMutants = []mutant{
	{"takes a socket that is full for one that took all", "R41", "internal/proxy/direct_unix.go", "case syscall.EAGAIN:\n\t\t\t\treturn false", "case syscall.EAGAIN:\n\t\t\t\treturn true", "internal/proxy", "TestWriterWaitsForRoom"},
	{"writes on past an error", "R41", "internal/proxy/direct_unix.go", "w.err = err\n", "w.rest = nil\n", "internal/proxy", "TestWriterSaysThatNobodyReads"},
	{"compares with haproxy that verifies nobody", "R47", "bench/proxy_wrappers.go", "ca-file %s verify required\", p.middle", "ca-file %s verify none\", p.middle", "bench", "TestPathsRefuseStrangers"},
	{"makes a row without its reference", "R47", "bench/main.go", "\t\t\tcontinue\n", "", "bench", "TestRowWithoutItsReferenceIsLeftOut"},
}
