/* What keeps secrets inside the process. Main thread, at the start. */
#pragma once

/* No core dump, no look into the memory by other processes of the same user; what jansson frees is overwritten (credentials go through it). */
void sc_secrecy_begin(void);
/* Takes secrets out of the block that the process was started with, which /proc/PID/environ shows for as long as it runs. What others read from
 * the environment later (proxies) stays there. Once the settings are read, before any thread. */
void sc_secrecy_clear_environment(void);
