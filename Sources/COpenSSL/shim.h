#pragma once
#include <openssl/evp.h>
#include <openssl/rand.h>

// TLS between peers. What OpenSSL has as macros stands here as functions.
#include <openssl/err.h>
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
static inline int edge_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
static inline int edge_ERR_is_no_pem_start(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}
static inline long edge_BIO_get_mem_data(BIO *memory, char **data) { return BIO_get_mem_data(memory, data); }
static inline void edge_BIO_reset(BIO *memory) { (void)BIO_reset(memory); }
