#!/usr/bin/env bash
# Prints nginx's configuration for the lab's web server, and makes the files in DIR that it needs.
# usage: nginx-conf.sh DIR MODE ADDRESS
#   repeat  files of this machine, an API, a login, as a service has them: the same bodies come again and again
#   proxy   the same behind a reverse proxy that adds a header of varying length to each response, as an ingress does
#   unique  one big archive, to be fetched by ranges: nothing comes twice
#   tls     the same as repeat, over TLS 1.3
set -euo pipefail
dir=$1 mode=$2 address=$3
listen="listen $address:80 backlog=1024;" front="" log="access_log $dir/access.log lab;"

case $mode in
  repeat) ;;
  proxy)
    listen="listen unix:$dir/application.sock;" log="access_log off;"
    front="upstream application { server unix:$dir/application.sock; keepalive 64; }
  server {
    listen $address:80 backlog=1024;
    access_log $dir/access.log lab;
    location / {
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host \$host;
      add_header X-Trace \$request_id;
      add_header X-Upstream-Time \$upstream_response_time:\$connection.\$connection_requests;
    }
  }"
    ;;
  unique)
    [[ -e $dir/archive.bin ]] ||
      { tar -C / -c usr 2>/dev/null || true; } | head -c "${GT_ARCHIVE_BYTES:-3221225472}" >"$dir/archive.bin"
    ;;
  tls)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=shop.example.com \
      -keyout "$dir/tls.key" -out "$dir/tls.crt" 2>/dev/null
    listen="listen $address:443 ssl backlog=1024;
    ssl_certificate $dir/tls.crt;
    ssl_certificate_key $dir/tls.key;
    ssl_protocols TLSv1.3;"
    ;;
  *) echo "nginx-conf.sh: unknown mode $mode" >&2; exit 2 ;;
esac

# The load generator asks for any file that has a plain name and a moderate size.
find /usr/share /usr/include -type f -readable -size -400k -size +0 -regex '[A-Za-z0-9/_.+-]*' 2>/dev/null |
  sed 's#^/usr##' | sort | awk 'NR % 3 == 1 && kept++ < 20000' >"$dir/paths.txt"

cat <<CONF
user www-data;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx-error.log;
events { worker_connections 4096; }
http {
  include /etc/nginx/mime.types;
  client_body_temp_path $dir/nginx-body;
  proxy_temp_path $dir/nginx-proxy;
  fastcgi_temp_path $dir/nginx-fastcgi;
  uwsgi_temp_path $dir/nginx-uwsgi;
  scgi_temp_path $dir/nginx-scgi;
  # Tab-separated: time, client port, method, host, URI, status.
  log_format lab '\$msec\t\$remote_port\t\$request_method\t\$http_host\t\$request_uri\t\$status';
  sendfile on;
  keepalive_requests 50;
  gzip on;
  gzip_comp_level 1;
  gzip_min_length 4000;
  gzip_types text/plain text/css application/javascript application/json;
  server {
    $listen
    $log
    root /usr;
    location = /archive.bin { root $dir; }
    location = /login { default_type application/json; return 401 '{"error":"bad credentials"}'; }
    location /api/ { default_type application/json; return 200 '{"ok":true,"items":[3,1,4,1,5,9,2,6],"name":"widget"}'; }
    location = /admin { return 403; }
    location /old/ { return 301 /share/; }
  }
  $front
}
CONF
