/* Tables: what a reason means to an operator, what a status means to us. Pure. */
#include "operate/reasons.h"

#include "base/clock.h"

#define ROW(name, at, text) [SC_REASON_##name] = {SC_REASON_##name, at, text}

static const struct sc_reason_row rows[] = {
    ROW(OK, SC_INFO, ""),
    ROW(DNS_FAILURE, SC_WARN,
        "Check the nameservers in this container's resolv.conf, and that the vendor's domain is not filtered or misspelt."),
    ROW(CONNECT_TIMEOUT, SC_WARN,
        "Let this host out to the vendor's host and port in the firewall, or set a proxy (\"proxy\" in the integration, or HTTPS_PROXY)."),
    ROW(CONNECTION_REFUSED, SC_WARN, "The host is up and nothing listens there: check host and port, or start what should listen."),
    ROW(NETWORK_UNREACHABLE, SC_WARN,
        "There is no route from here: check this host's network, or set a proxy (\"proxy\" in the integration, or HTTPS_PROXY)."),
    ROW(CONNECTION_LOST, SC_WARN,
        "It is tried again by itself; if it goes on, look for a firewall or proxy that closes connections at a fixed age."),
    ROW(READ_TIMEOUT, SC_WARN,
        "It is tried again by itself; if it goes on, look for a proxy that buffers, or ask the vendor about slow answers."),
    ROW(PROXY_REFUSED, SC_WARN, "Allow the vendor's host in the proxy, or correct the proxy's address."),
    ROW(PROXY_AUTH, SC_ERROR, "Give the proxy as http://user:password@host:port with a user that it accepts."),
    ROW(TLS_UNTRUSTED, SC_ERROR, "Add the PEM of the CA that signed the certificate to tls.ca_file; it is read again without a restart."),
    ROW(TLS_INTERCEPTED, SC_ERROR,
        "TLS is opened on the way: exempt the vendor's host from inspection, or add the inspecting CA to tls.ca_file."),
    ROW(TLS_HOSTNAME, SC_ERROR,
        "The certificate is for another name: correct the host in the settings, or have the certificate corrected."),
    ROW(TLS_EXPIRED, SC_ERROR, "Have the certificate renewed; if several hosts are said to have expired, this machine's clock is wrong."),
    ROW(TLS_VERSION, SC_ERROR, "TLS 1.2 is the least that is accepted: update the server, or correct the port if it speaks no TLS."),
    ROW(AUTH_INVALID, SC_ERROR,
        "Compare the credential with the vendor's console, make a new one there if in doubt, and save it; it is used within a second."),
    ROW(AUTH_EXPIRED, SC_ERROR, "Make a new credential at the vendor and save it; it is used within a second."),
    ROW(AUTH_EXPIRING, SC_WARN, "Make a new credential at the vendor before that date and save it."),
    ROW(OAUTH_INVALID_CLIENT, SC_ERROR,
        "Check client id and tenant, and paste the secret's value, not its id; register the client again if it was deleted."),
    ROW(OAUTH_INVALID_GRANT, SC_ERROR, "Upload a new key or authorise again: the key or refresh token was deleted, spent or has expired."),
    ROW(CONSENT_MISSING, SC_ERROR, "Have an administrator grant consent at the vendor again, as after every change of permissions."),
    ROW(PERMISSION_DENIED, SC_ERROR,
        "Grant the missing permission at the vendor (`signal-client connectors show` lists what each data type needs)."),
    ROW(IP_NOT_ALLOWED, SC_ERROR,
        "Put the address that the vendor sees (behind NAT the public one) on the vendor's list of allowed addresses."),
    ROW(ACCOUNT_SUSPENDED, SC_ERROR, "Settle the billing or the suspension notice in the vendor's console, or unlock the account."),
    ROW(FEATURE_OFF, SC_ERROR, "License it or switch it on at the vendor, or disable this data type."),
    ROW(WRONG_HOST, SC_ERROR, "Compare host and region in the settings with the address of your console at the vendor."),
    ROW(NOT_FOUND, SC_ERROR, "Copy the ids in the settings anew: what they name does not exist or belongs to another organisation."),
    ROW(CONFIG_INVALID, SC_ERROR, "Correct the named field and save the integration; the last good value stays in use meanwhile."),
    ROW(DUPLICATE_INTEGRATION, SC_WARN, "Disable one of the two."),
    ROW(DISABLED, SC_INFO, "Enable it before the vendor's retention has passed; the position is kept."),
    ROW(RATE_LIMITED, SC_WARN, "Nothing to do: nothing is lost, the next request waits as the vendor asked."),
    ROW(QUOTA_EXHAUSTED, SC_WARN, "Lengthen the poll interval, or ask the vendor for a higher limit."),
    ROW(BUDGET_WAIT, SC_INFO, "Nothing to do: requests are spread so that the vendor's limit is kept."),
    ROW(VENDOR_BUSY, SC_WARN, "It is asked again by itself; if it goes on, end the other job or client at the vendor."),
    ROW(VENDOR_ERROR, SC_WARN,
        "It is the vendor's side and is tried again by itself, nothing is lost; if it lasts, open a case with the vendor: `signal-client doctor NAME --json` has "
        "what it needs, without secrets."),
    ROW(BAD_RESPONSE, SC_WARN,
        "It is tried again by itself; if it goes on, look for a proxy's login page, a wrong host or port, or maintenance at the vendor."),
    ROW(RESPONSE_TOO_LARGE, SC_ERROR, "Set a smaller settings.page_size, or raise http.max_body_bytes."),
    ROW(CURSOR_EXPIRED, SC_WARN, "Nothing to do: it goes on by time, and what was seen before is recognised."),
    ROW(PAGING_LOOP, SC_ERROR, "The poll was stopped and the next one goes on by time; if it repeats, open a case with the vendor."),
    ROW(RETENTION_PASSED, SC_ERROR, "What is named as missing cannot be asked any more; poll more often than the vendor's retention."),
    ROW(RECORD_INVALID, SC_WARN, "Look at the records in the dead-letter directory and have them repaired at the source."),
    ROW(RECORD_TOO_LARGE, SC_WARN,
        "Raise max_payload of the NATS server or http.max_record_bytes; the record is in the dead-letter directory."),
    ROW(SILENT, SC_WARN, "Look in the vendor's console for this time: a filter or a changed plan also does this."),
    ROW(BROKER_UNAVAILABLE, SC_ERROR,
        "Start NATS, or correct nats.url and its credentials (`signal-client doctor` looks); polling resumes by itself and nothing is lost."),
    ROW(BROKER_STALLED, SC_ERROR, "NATS is connected and does not acknowledge: check its disk and its load."),
    ROW(NO_STREAM, SC_ERROR, "Create a stream that takes the subject, or set nats.create = true."),
    ROW(STREAM_FULL, SC_ERROR, "Raise the stream's limits (max_bytes, max_msgs), start what reads it, or free the account's storage."),
    ROW(STREAM_REFUSED, SC_ERROR, "Set no_ack of the stream to false: without acknowledgements nothing can be promised."),
    ROW(STREAM_UNREAD, SC_WARN, "Start the consumer of the stream: artifacts wait unread or are deleted unread."),
    ROW(CHECKPOINT_INVALID, SC_ERROR,
        "Look at it with `signal-client checkpoint show`, and mend it with `checkpoint set` or `checkpoint reset`; nothing is asked until then."),
    ROW(LEASE_HELD, SC_INFO, "Nothing to do: this agent takes over when the other one ends."),
    ROW(CLOCK_SKEW, SC_WARN, "Repair time synchronisation on this host (chronyc sources -v)."),
    ROW(MEMORY_LIMIT, SC_ERROR, "Raise the memory limit, or lengthen intervals."),
    ROW(FALLING_BEHIND, SC_WARN, "Use larger pages or a shorter way to the vendor; a longer interval does not help here."),
    ROW(DEAD_LETTER_FAILED, SC_ERROR, "Free space in the dead-letter directory or make it writable."),
    ROW(IDENTITY_COLLISION, SC_WARN, "Nothing to do: both records are published; report it, the identity is too coarse."),
    ROW(IDENTITY_OVERFLOW, SC_WARN, "Raise poll.max_identities, or shorten the overlap by polling more often."),
    ROW(CONFIG_LOST, SC_ERROR, "Restore the bucket INTEGRATIONS; the last good values are used meanwhile."),
    ROW(GAP, SC_WARN, "Look at the gap artifact: it says what is missing, and why."),
    ROW(STARTING, SC_INFO, ""),
    ROW(OFFLINE, SC_WARN, "Set offline_mode to false in the node file to poll again."),
    ROW(INTERNAL, SC_ERROR, "Report this line together with the version; it is tried again by itself."),
    ROW(WAITS_FOR_VENDOR, SC_DEBUG, "Nothing to do: the vendor is asked again at that time."),
    ROW(PASSED_OVER, SC_WARN, "Look at the dead letter: it says what the vendor could not give; fetch that by hand where it matters."),
};
_Static_assert(sizeof rows / sizeof *rows == SC_REASON_COUNT, "each reason has its row");

const struct sc_reason_row *sc_reason_row(enum sc_reason reason)
{
    return &rows[(unsigned)reason < SC_REASON_COUNT ? reason : SC_REASON_INTERNAL];
}

/* ---- statuses ---------------------------------------------------------------------------------------------------- */

struct status_row {
    int status;
    enum sc_reason reason;
    const char *phrase;
};

/* What is not here is read by its hundred. 400 and unknown 4xx are retried: a vendor's hiccup is no reason to stop for an hour, and a
 * connector that knows its codes says better. */
static const struct status_row statuses[] = {
    {200, SC_REASON_OK, "OK"},
    {201, SC_REASON_OK, "Created"},
    {202, SC_REASON_OK, "Accepted"},
    {204, SC_REASON_OK, "No Content"},
    {206, SC_REASON_OK, "Partial Content"},
    {301, SC_REASON_BAD_RESPONSE, "Moved Permanently"},
    {302, SC_REASON_BAD_RESPONSE, "Found"},
    {303, SC_REASON_BAD_RESPONSE, "See Other"},
    {304, SC_REASON_BAD_RESPONSE, "Not Modified"},
    {307, SC_REASON_BAD_RESPONSE, "Temporary Redirect"},
    {308, SC_REASON_BAD_RESPONSE, "Permanent Redirect"},
    {400, SC_REASON_VENDOR_ERROR, "Bad Request"},
    {401, SC_REASON_AUTH_INVALID, "Unauthorized"},
    {402, SC_REASON_ACCOUNT_SUSPENDED, "Payment Required"},
    {403, SC_REASON_PERMISSION_DENIED, "Forbidden"},
    {404, SC_REASON_NOT_FOUND, "Not Found"},
    {405, SC_REASON_WRONG_HOST, "Method Not Allowed"},
    {406, SC_REASON_VENDOR_ERROR, "Not Acceptable"},
    {407, SC_REASON_PROXY_AUTH, "Proxy Authentication Required"},
    {408, SC_REASON_READ_TIMEOUT, "Request Timeout"},
    {409, SC_REASON_VENDOR_BUSY, "Conflict"},
    {410, SC_REASON_NOT_FOUND, "Gone"},
    {412, SC_REASON_VENDOR_ERROR, "Precondition Failed"},
    {413, SC_REASON_CONFIG_INVALID, "Content Too Large"},
    {414, SC_REASON_CONFIG_INVALID, "URI Too Long"},
    {415, SC_REASON_VENDOR_ERROR, "Unsupported Media Type"},
    {416, SC_REASON_VENDOR_ERROR, "Range Not Satisfiable"},
    {421, SC_REASON_WRONG_HOST, "Misdirected Request"},
    {422, SC_REASON_VENDOR_ERROR, "Unprocessable Content"},
    {423, SC_REASON_ACCOUNT_SUSPENDED, "Locked"},
    {425, SC_REASON_VENDOR_BUSY, "Too Early"},
    {426, SC_REASON_VENDOR_ERROR, "Upgrade Required"},
    {428, SC_REASON_VENDOR_ERROR, "Precondition Required"},
    {429, SC_REASON_RATE_LIMITED, "Too Many Requests"},
    {431, SC_REASON_CONFIG_INVALID, "Request Header Fields Too Large"},
    {451, SC_REASON_IP_NOT_ALLOWED, "Unavailable For Legal Reasons"},
    {500, SC_REASON_VENDOR_ERROR, "Internal Server Error"},
    {501, SC_REASON_VENDOR_ERROR, "Not Implemented"},
    {502, SC_REASON_VENDOR_ERROR, "Bad Gateway"},
    {503, SC_REASON_VENDOR_ERROR, "Service Unavailable"},
    {504, SC_REASON_VENDOR_ERROR, "Gateway Timeout"},
    {511, SC_REASON_BAD_RESPONSE, "Network Authentication Required"},
};

static struct status_row find_status(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return statuses[i];
    switch (status / 100) {
    case 2:
        return (struct status_row){status, SC_REASON_OK, "Success"};
    case 3:
        return (struct status_row){status, SC_REASON_BAD_RESPONSE, "Redirect"};
    case 4:
        return (struct status_row){status, SC_REASON_VENDOR_ERROR, "Client Error"};
    case 5:
        return (struct status_row){status, SC_REASON_VENDOR_ERROR, "Server Error"};
    default:
        return (struct status_row){status, SC_REASON_BAD_RESPONSE, "Unknown Status"};
    }
}

struct sc_status_reading sc_read_status(int http_status, bool worked)
{
    struct status_row row = find_status(http_status);
    if (row.reason == SC_REASON_AUTH_INVALID && worked)
        row.reason = SC_REASON_AUTH_EXPIRED;
    return (struct sc_status_reading){row.reason, row.phrase};
}

bool sc_status_is_known(int http_status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].status == http_status)
            return true;
    }
    return false;
}

const char *sc_status_phrase(int http_status)
{
    return find_status(http_status).phrase;
}

/* ---- waits ------------------------------------------------------------------------------------------------------- */

#define LONGEST_MS INT64_C(86400000)
#define LATER_MS   1000

/* From now to a date in the vendor's clock, or -1. */
static int64_t delay_to_date(struct sc_str text, int64_t vendor_now)
{
    int64_t at = sc_time_parse_http(text);
    if (at == SC_TIME_NONE)
        at = sc_time_parse_rfc3339(text);
    return at == SC_TIME_NONE ? -1 : at - vendor_now;
}

static int64_t thousandth_up(int64_t value)
{
    return value / 1000 + (value % 1000 != 0);
}

static int64_t read_delay(struct sc_str text, enum sc_reset_unit unit, int64_t vendor_now)
{
    int64_t ms = sc_parse_seconds_ms(text);
    if (ms < 0)
        return delay_to_date(text, vendor_now);
    switch (unit) {
    case SC_RESET_SECONDS:
        return ms;
    case SC_RESET_MILLISECONDS:
        return thousandth_up(ms);
    case SC_RESET_EPOCH_S:
        return ms - vendor_now;
    case SC_RESET_EPOCH_MS:
        return thousandth_up(ms) - vendor_now;
    case SC_RESET_NONE:
    default:
        return -1;
    }
}

struct sc_wait sc_read_wait(struct sc_str retry_after, struct sc_str reset, const char *reset_header_name, enum sc_reset_unit unit,
                            int64_t now_real_ms, int64_t vendor_date_ms)
{
    int64_t vendor_now = vendor_date_ms == SC_TIME_NONE ? now_real_ms : vendor_date_ms;
    const struct {
        struct sc_str text;
        enum sc_reset_unit unit;
        const char *header;
    } said[] = {{retry_after, SC_RESET_SECONDS, "Retry-After"}, {reset, unit, reset_header_name}};
    struct sc_wait wait = {.until_ms = SC_TIME_NONE};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if (!said[i].text.ptr || said[i].unit == SC_RESET_NONE)
            continue;
        int64_t delay = read_delay(said[i].text, said[i].unit, vendor_now);
        if (delay > 0 && delay <= LONGEST_MS)
            return (struct sc_wait){now_real_ms + delay + LATER_MS, said[i].header, false};
        if (!wait.disbelieved)
            wait = (struct sc_wait){SC_TIME_NONE, said[i].header, true};
    }
    return wait;
}
