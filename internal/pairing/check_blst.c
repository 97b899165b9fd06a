//go:build cgo

// Built for amd64 without __BLST_PORTABLE__, blst uses ADX and BMI2 without
// asking whether the processor has them, and does so in a constructor, before
// main. The constructor below has a priority that makes it run earlier.

#include <stddef.h>

const char *milagro_pairing_refusal(unsigned int features);
unsigned int milagro_pairing_features(void);

#if defined(__x86_64__) && !defined(__BLST_PORTABLE__)

#include <cpuid.h>

#define BMI2_AND_ADX ((1u << 8) | (1u << 19)) // CPUID leaf 7, EBX

static const char refusal[] =
    "this processor lacks the ADX and BMI2 instructions for which this program was built; "
    "hint: rebuild with CGO_CFLAGS=\"-O2 -D__BLST_PORTABLE__\", or with CGO_ENABLED=0";

unsigned int milagro_pairing_features(void)
{
    unsigned int a, b = 0, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) ? b : 0;
}

const char *milagro_pairing_refusal(unsigned int features)
{
    return (features & BMI2_AND_ADX) == BMI2_AND_ADX ? NULL : refusal;
}

#if defined(__unix__)

#include <unistd.h>

__attribute__((constructor(101))) static void refuse_before_blst(void)
{
    if (milagro_pairing_refusal(milagro_pairing_features()) == NULL)
        return;
    ssize_t n = write(2, refusal, sizeof refusal - 1);
    n += write(2, "\n", 1);
    _exit(n > 0 ? 78 : 79); // EX_CONFIG
}

#endif

#else

unsigned int milagro_pairing_features(void) { return 0; }

const char *milagro_pairing_refusal(unsigned int features)
{
    (void)features;
    return NULL;
}

#endif
