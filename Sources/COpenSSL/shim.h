#pragma once
#include <openssl/evp.h>
#include <openssl/rand.h>

// TLS between peers and with users. What OpenSSL has as macros stands here as functions.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// Debian's libraries have no compression; nobody can renegotiate TLS 1.3. Both are said all the same.
static const uint64_t edge_SSL_OP_PEERS = SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

static inline int edge_SSL_CTX_set_only_tls_1_3(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
}
// Neither tickets nor early data, nor a cache.
static inline void edge_SSL_CTX_set_no_sessions(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}
// For users: TLS 1.2 and 1.3, one stateless ticket a handshake, the server's order of ciphers unless the client puts ChaCha20
// first because it has no instructions for AES. Buffers are there only while records are on their way.
static inline int edge_SSL_CTX_set_users(SSL_CTX *context, const char *groups) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) && SSL_CTX_set1_groups_list(context, groups);
}
static inline void edge_SSL_CTX_set_names(SSL_CTX *context, int (*choose)(SSL *, int *, void *), void *argument) {
    SSL_CTX_set_tlsext_servername_callback(context, choose);
    SSL_CTX_set_tlsext_servername_arg(context, argument);
}
static inline void edge_SSL_CTX_set_ticket_keys(
    SSL_CTX *context, int (*keys)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *, int)) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, keys);
}
// HMAC with SHA-256. The names in the parameters are pointers that last.
static inline int edge_EVP_MAC_CTX_set_key(EVP_MAC_CTX *mac, const uint8_t *key, size_t count) {
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key, count),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
                               OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters);
}
static inline int edge_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
static inline int edge_ERR_is_no_pem_start(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}
static inline long edge_BIO_get_mem_data(BIO *memory, char **data) { return BIO_get_mem_data(memory, data); }
static inline void edge_BIO_reset(BIO *memory) { (void)BIO_reset(memory); }
