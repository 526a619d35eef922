/* The reasons: why a data type does what it does. One list for log, status, doctor, metrics and documents.
 * Append only: a number never changes its meaning. The class alone decides what the agent does next. */
#pragma once

enum sc_class {
    SC_CLASS_OK,        /* nothing wrong */
    SC_CLASS_RETRY,     /* same request after 1, 2, 4 s; then the source backs off 15 s doubling to 15 min */
    SC_CLASS_THROTTLED, /* until the vendor's own time; none given: 30 s doubling to 15 min; uses up no retries */
    SC_CLASS_AUTH,      /* one renewal, then stop; a probe each 15 min, none where refused logins lock the account; a put ends it at once */
    SC_CLASS_CONFIG,    /* stop until a put; a probe an hour, for feature_off a day */
    SC_CLASS_DATA,      /* go on; what is refused is dead-lettered or recorded as a gap */
    SC_CLASS_BROKER,    /* polls pause, reconnect for ever */
    SC_CLASS_LOCAL,     /* measured again every 30 s */
    SC_CLASS_NOTICE     /* goes on; shown */
};

/* X(NAME, "code", CLASS, "meaning") */
#define SC_REASONS(X)                                                                                                  \
    X(OK, "ok", OK, "working")                                                                                         \
    X(DNS_FAILURE, "dns_failure", RETRY, "the name does not resolve, or to a blocking address")                        \
    X(CONNECT_TIMEOUT, "connect_timeout", RETRY, "no TCP answer in the connect time")                                  \
    X(CONNECTION_REFUSED, "connection_refused", RETRY, "host is up, port closed")                                      \
    X(NETWORK_UNREACHABLE, "network_unreachable", RETRY, "no route from here")                                         \
    X(CONNECTION_LOST, "connection_lost", RETRY, "connection cut during an answer")                                    \
    X(READ_TIMEOUT, "read_timeout", RETRY, "connected, then no first byte or no progress")                             \
    X(PROXY_REFUSED, "proxy_refused", RETRY, "proxy down, unknown, or it forbids the destination")                     \
    X(PROXY_AUTH, "proxy_auth", AUTH, "proxy wants other credentials")                                                 \
    X(TLS_UNTRUSTED, "tls_untrusted", CONFIG, "chain does not end in a trusted CA")                                    \
    X(TLS_INTERCEPTED, "tls_intercepted", CONFIG, "somebody on the way opens TLS with an own CA")                      \
    X(TLS_HOSTNAME, "tls_hostname", CONFIG, "certificate is for another name")                                         \
    X(TLS_EXPIRED, "tls_expired", CONFIG, "certificate expired or not yet valid")                                      \
    X(TLS_VERSION, "tls_version", CONFIG, "no common TLS version, or no TLS on that port")                             \
    X(AUTH_INVALID, "auth_invalid", AUTH, "credential refused and never worked in this revision")                      \
    X(AUTH_EXPIRED, "auth_expired", AUTH, "credential refused after having worked")                                    \
    X(AUTH_EXPIRING, "auth_expiring", NOTICE, "known end of a token, secret or certificate is near")                   \
    X(OAUTH_INVALID_CLIENT, "oauth_invalid_client", AUTH, "token endpoint does not accept client or secret")           \
    X(OAUTH_INVALID_GRANT, "oauth_invalid_grant", AUTH, "token endpoint refuses key, assertion or refresh token")      \
    X(CONSENT_MISSING, "consent_missing", AUTH, "permission configured, not granted by an administrator")              \
    X(PERMISSION_DENIED, "permission_denied", AUTH, "credential good, right missing")                                  \
    X(IP_NOT_ALLOWED, "ip_not_allowed", AUTH, "our source address is refused")                                         \
    X(ACCOUNT_SUSPENDED, "account_suspended", AUTH, "account suspended, locked, unpaid or closed")                     \
    X(FEATURE_OFF, "feature_off", CONFIG, "plan lacks it, or it is not switched on at the vendor")                     \
    X(WRONG_HOST, "wrong_host", CONFIG, "key and host do not belong together")                                         \
    X(NOT_FOUND, "not_found", CONFIG, "a configured id or path does not exist")                                        \
    X(CONFIG_INVALID, "config_invalid", CONFIG, "a setting, file or sealed value cannot be used")                      \
    X(DUPLICATE_INTEGRATION, "duplicate_integration", NOTICE, "two integrations read the same thing")                  \
    X(DISABLED, "disabled", NOTICE, "paused by enabled: false")                                                        \
    X(RATE_LIMITED, "rate_limited", THROTTLED, "vendor told us to wait")                                               \
    X(QUOTA_EXHAUSTED, "quota_exhausted", THROTTLED, "a long window is used up")                                       \
    X(BUDGET_WAIT, "budget_wait", THROTTLED, "we wait by ourselves to stay inside the budget")                         \
    X(VENDOR_BUSY, "vendor_busy", RETRY, "slots taken, or job still running")                                          \
    X(VENDOR_ERROR, "vendor_error", RETRY, "vendor failed")                                                            \
    X(BAD_RESPONSE, "bad_response", RETRY, "not what was asked: a web page, cut short, unparsable")                    \
    X(RESPONSE_TOO_LARGE, "response_too_large", CONFIG, "page or body above its cap")                                  \
    X(CURSOR_EXPIRED, "cursor_expired", DATA, "stored position refused, restarted by time")                            \
    X(PAGING_LOOP, "paging_loop", RETRY, "same page or cursor twice, or caps reached")                                 \
    X(RETENTION_PASSED, "retention_passed", DATA, "what is missing can no longer be asked")                            \
    X(RECORD_INVALID, "record_invalid", DATA, "a record cannot be cut, dated or published")                            \
    X(RECORD_TOO_LARGE, "record_too_large", DATA, "record above what NATS takes")                                      \
    X(SILENT, "silent", NOTICE, "good answers, nothing in them, against habit")                                        \
    X(BROKER_UNAVAILABLE, "broker_unavailable", BROKER, "NATS not reachable or refuses us")                            \
    X(BROKER_STALLED, "broker_stalled", BROKER, "connected, but acknowledgements do not come")                         \
    X(NO_STREAM, "no_stream", BROKER, "no stream takes the subject")                                                   \
    X(STREAM_FULL, "stream_full", BROKER, "stream or account limit reached")                                           \
    X(STREAM_REFUSED, "stream_refused", BROKER, "the stream is set so that nothing can be promised (no_ack)")          \
    X(STREAM_UNREAD, "stream_unread", NOTICE, "nobody reads the stream, or it deletes unread artifacts")               \
    X(CHECKPOINT_INVALID, "checkpoint_invalid", CONFIG, "checkpoint unreadable, or of a newer version")                \
    X(LEASE_HELD, "lease_held", LOCAL, "another agent holds the lease; this one stands by")                            \
    X(CLOCK_SKEW, "clock_skew", LOCAL, "own clock and the other side's differ too much")                               \
    X(MEMORY_LIMIT, "memory_limit", LOCAL, "memory cap near, or allocation failed")                                    \
    X(FALLING_BEHIND, "falling_behind", NOTICE, "lag grows, or a poll outlasts its interval")                          \
    X(DEAD_LETTER_FAILED, "dead_letter_failed", LOCAL, "the dead-letter directory is full or not writable")            \
    X(IDENTITY_COLLISION, "identity_collision", NOTICE, "same identity with other bytes, published as #2")             \
    X(IDENTITY_OVERFLOW, "identity_overflow", NOTICE, "more identities than are kept: at least once")                  \
    X(CONFIG_LOST, "config_lost", NOTICE, "the configuration bucket vanished; the last good values are used")          \
    X(GAP, "gap", DATA, "something could not be fetched and is recorded as a gap")                                     \
    X(STARTING, "starting", LOCAL, "not polled yet")                                                                   \
    X(OFFLINE, "offline", NOTICE, "offline_mode: no vendor is polled")                                                 \
    X(INTERNAL, "internal_error", RETRY, "a defect of this program")                                                   \
    X(WAITS_FOR_VENDOR, "waits_for_vendor", NOTICE, "the vendor is making what was asked for; looked at again in time") \
    X(PASSED_OVER, "passed_over", DATA, "one file or blob that cannot be fetched: a dead letter names it, and a gap")

enum sc_reason {
#define X(name, code, cls, meaning) SC_REASON_##name,
    SC_REASONS(X)
#undef X
    SC_REASON_COUNT
};
