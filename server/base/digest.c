/* Hashes and encodings, by OpenSSL (see digest.h). */
#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

void digest_sha256(const void *data, size_t len, uint8_t ret[DIGEST_SIZE])
{
    (void)SHA256(data, len, ret); /* the one-shot form cannot fail */
}

void digest_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                        uint8_t ret[DIGEST_SIZE])
{
    unsigned n = 0;
    if (HMAC(EVP_sha256(), key, (int)key_len, data, len, ret, &n) == NULL || n != DIGEST_SIZE) {
        abort(); /* OpenSSL without SHA-256: nothing signed could be trusted */
    }
}

char *digest_hex(const uint8_t *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * n] = '\0';
    return out;
}

size_t digest_base64(const void *data, size_t n, char *out)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out, data, (int)n);
}

bool digest_base64_decode(const char *text, size_t len, uint8_t *out, size_t *ret_len)
{
    if (len % 4 != 0) {
        return false;
    }
    int n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);
    if (n < 0) {
        return false;
    }
    size_t pad = 0;
    while (pad < 2 && pad < len && text[len - 1 - pad] == '=') {
        pad++;
    }
    *ret_len = (size_t)n - pad;
    return true;
}

bool digest_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void digest_random(void *out, size_t n)
{
    if (RAND_bytes(out, (int)n) != 1) {
        abort(); /* no randomness: ids and jitter would repeat */
    }
}

int64_t digest_random_below(int64_t span)
{
    uint32_t r = 0;
    digest_random(&r, sizeof r);
    return (int64_t)((uint64_t)span * r >> 32);
}
