/* /healthz and /readyz, for orchestrators and for people with curl. */
#include "admin/admin.h"

#include "base/clock.h"
#include "base/redact.h"
#include "operate/health.h"

#define GOOD 200
#define BAD  503

/* The same word as `signal-client health`, from the same file: what one of them calls healthy the other does too. */
int sc_admin_health(const struct sc_admin_view *view, struct sc_buf *out)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    int bad = sc_health_read(view->run_dir, &line);
    sc_redact_buf(&line);
    sc_buf_add(out, sc_buf_str(&line).ptr, line.len);
    sc_buf_add_char(out, '\n');
    return bad ? BAD : GOOD;
}

/* Ready: this agent does its duty, or would at once when the holder of the lease goes. A standby that were not ready would keep a rolling update from
 * ever ending the old one. What a vendor refuses is no matter of readiness. */
int sc_admin_ready(const struct sc_admin_view *view, struct sc_buf *out)
{
    struct sc_broker_facts facts;
    struct sc_buf line SC_AUTO_BUF = {0};
    sc_publisher_facts(view->publisher, &facts);
    bool leads = facts.state == SC_BROKER_READY, standby = !leads && sc_lease_stands_by(view->lease);
    if (leads)
        sc_buf_addf(&line, "ready: this agent polls (lease epoch %llu), stream %s\n", (unsigned long long)facts.epoch, facts.stream);
    else if (standby)
        sc_buf_addf(&line, "ready: stands by; %s\n", facts.text);
    else
        sc_buf_addf(&line, "not ready: %s: %s\n", sc_reason_code(facts.reason), facts.text);
    sc_redact_buf(&line);
    sc_buf_add(out, sc_buf_str(&line).ptr, line.len);
    return leads || standby ? GOOD : BAD;
}
