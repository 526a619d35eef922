/* What curl calls back for one transfer. Nothing in here touches the multi handle or the list of
 * transfers. */
#pragma once

#include "http/transfer.h"

int sc_stream_on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                          curl_off_t ulnow);
curl_socket_t sc_stream_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
int sc_stream_on_request(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port);
CURLcode sc_stream_on_tls(CURL *easy, void *ssl_ctx, void *arg);
size_t sc_stream_on_header(char *bytes, size_t size, size_t count, void *arg);
size_t sc_stream_on_body(char *bytes, size_t size, size_t count, void *arg);
