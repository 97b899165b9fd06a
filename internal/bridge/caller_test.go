package bridge

const otherUser = "MILAGRO_TEST_OTHER_USER"

func actAsOtherUser(socket string) int { return 1 }
