/* Hashes and encodings, by OpenSSL. */
#ifndef GATEHOUSE_BASE_DIGEST_H
#define GATEHOUSE_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_HEX_SIZE = 65 };

void digest_sha256(const void *data, size_t len, uint8_t ret[DIGEST_SIZE]);
void digest_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                        uint8_t ret[DIGEST_SIZE]);
/* Lower-case hex of n bytes; out holds 2n+1. Returns out. */
char *digest_hex(const uint8_t *data, size_t n, char *out);
/* Base64 with padding; out holds 4*((n+2)/3)+1. Returns the length. */
size_t digest_base64(const void *data, size_t n, char *out);
/* Decodes padded base64 of exactly len bytes; out holds 3*len/4. false when it is not base64. */
bool digest_base64_decode(const char *text, size_t len, uint8_t *out, size_t *ret_len);
/* Compares in constant time. */
bool digest_equal(const void *a, const void *b, size_t n);
/* n random bytes of the system. */
void digest_random(void *out, size_t n);
/* A random share of a span: 0 <= r < span, for jitter. span >= 0 and below 2^31. */
int64_t digest_random_below(int64_t span);

#endif
