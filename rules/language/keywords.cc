#include "rules/language/keywords.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "packet/buffers.h"

namespace gatetape {
namespace {

// The keywords that Suricata 8 knows and Gatetape does not support, separated by blanks.
constexpr std::string_view kUnsupportedNames =
    // payload, transforms
    "absent base64_data base64_decode byte_math dataset datarep entropy from_base64 gunzip zlib_deflate "
    "header_lowercase "
    "lua luaxform pcrexform strip_pseudo_headers subslice to_md5 to_sha1 to_sha256 to_uppercase url_decode xor "
    "domain tld replace "
    // packet and flow headers
    "ack seq window id geoip fragbits fragoffset ipopts sameip tos icmp_id icmp_seq icmpv4.hdr icmpv6.hdr icmpv6.mtu "
    "igmp.hdr igmp.type ip.src ip.dst ipv4.hdr ipv6.hdr tcp.hdr tcp.mss tcp.ack tcp.seq tcp.wscale tcp.window udp.hdr "
    "ether.hdr arp.opcode vlan.id vlan.layers ipv4-csum tcpv4-csum tcpv6-csum udpv4-csum udpv6-csum icmpv4-csum "
    "icmpv6-csum igmp-csum l3_proto "
    "flow.age flow.pkts flow.pkts_toclient flow.pkts_toserver flow.bytes flow.bytes_toclient flow.bytes_toserver "
    "flow.elephant flowint flowvar pktvar hostbits xbits iprep app-layer-protocol app-layer-event app-layer-state "
    "decode-event engine-event stream-event bypass config requires asn1 nfq_set_mark filestore fileext filemagic "
    "filemd5 filename filesha1 filesha256 filesize file.magic file.name frame alert "
    "ndpi-protocol ndpi-risk "
    // HTTP beyond what the engine has
    "http.request_header_raw http2.errorcode http2.frametype http2.header http2.header_name http2.priority "
    "http2.settings http2.size_update http2.window "
    // TLS, JA3, JA4, QUIC, SSH
    "ja3.hash ja3.string ja3s.hash ja3s.string ja3_hash ja3_string ja4.hash ssl_state ssl_version tls.alpn "
    "tls.cert_chain_len tls.cert_fingerprint tls.cert_issuer tls.cert_serial tls.cert_subject tls.certs "
    "tls.fingerprint tls.issuerdn tls.random tls.random_bytes tls.random_time tls.sni tls.store tls.subject "
    "tls.subjectaltname tls.version tls_cert_expired tls_cert_fingerprint tls_cert_issuer tls_cert_notafter "
    "tls_cert_notbefore tls_cert_serial tls_cert_subject tls_cert_valid tls_sni "
    "quic.cyu.hash quic.cyu.string quic.sni quic.ua quic.version "
    "ssh.hassh ssh.hassh.server ssh.hassh.server.string ssh.hassh.string ssh.proto ssh.protoversion ssh.software "
    "ssh.softwareversion ssh_proto ssh_software "
    // DNS and kin
    "dns.additionals.rrname dns.answer.name dns.answers.rrname dns.authorities.rrname dns.opcode dns.queries.rrname "
    "dns.query dns.query.name dns.rcode dns.response.rrname dns.rrtype dns_query mdns.additionals.rrname "
    "mdns.answers.rrname mdns.authorities.rrname mdns.queries.rrname mdns.response.rrname llmnr.queries.rrname "
    // other application protocols
    "websocket.flags websocket.mask websocket.opcode websocket.payload "
    "smb.named_pipe smb.ntlmssp_domain smb.ntlmssp_user smb.share smb.version smb_named_pipe smb_share "
    "dce_iface dce_opnum dce_stub_data dcerpc.iface dcerpc.opnum dcerpc.stub_data dcerpc.version "
    "ftp.command ftp.command_data ftp.completion_code ftp.dynamic_port ftp.mode ftp.received ftp.reply ftpbounce "
    "ftpdata_command file_size smtp.helo smtp.mail_from smtp.rcpt_to "
    "email.body_md5 email.cc email.command email.date email.from email.message_id email.received email.subject "
    "email.to "
    "email.url email.x_mailer mime.body "
    "krb5.cname krb5.sname krb5.ticket_encryption krb5_cname krb5_err_code krb5_msg_type krb5_sname "
    "ike.chosen_sa_attribute ike.exchtype ike.init_spi ike.key_exchange_payload ike.key_exchange_payload_length "
    "ike.nonce_payload ike.nonce_payload_length ike.resp_spi ike.vendor "
    "ldap.request.attribute_type ldap.request.dn ldap.request.operation ldap.responses.attribute_type "
    "ldap.responses.count "
    "ldap.responses.dn ldap.responses.message ldap.responses.operation ldap.responses.result_code "
    "mqtt.connack.return_code mqtt.connack.session_present mqtt.connect.clientid mqtt.connect.flags "
    "mqtt.connect.password "
    "mqtt.connect.protocol_string mqtt.connect.username mqtt.connect.willmessage mqtt.connect.willtopic mqtt.flags "
    "mqtt.protocol_version mqtt.publish.message mqtt.publish.topic mqtt.qos mqtt.reason_code mqtt.subscribe.topic "
    "mqtt.type mqtt.unsubscribe.topic "
    "dhcp.leasetime dhcp.rebinding_time dhcp.renewal_time dnp3.data dnp3_data dnp3_func dnp3_ind dnp3_obj modbus "
    "cip_service enip.capabilities enip.cip_attribute enip.cip_class enip.cip_extendedstatus enip.cip_instance "
    "enip.cip_status enip.command enip.device_type enip.identity_status enip.product_code enip.product_name "
    "enip.protocol_version enip.revision enip.serial enip.service_name enip.state enip.status enip.vendor_id "
    "enip_command "
    "nfs.version nfs_procedure nfs_version rfb.name rfb.secresult rfb.sectype rpc "
    "sdp.attribute sdp.bandwidth sdp.connection_data sdp.email sdp.encryption_key sdp.media.attribute "
    "sdp.media.connection_data sdp.media.encryption_key sdp.media.media sdp.media.media_title sdp.origin "
    "sdp.phone_number "
    "sdp.session_info sdp.session_name sdp.time sdp.time_zone sdp.uri "
    "sip.content_length sip.content_type sip.from sip.method sip.protocol sip.request_line sip.response_line "
    "sip.stat_code sip.stat_msg sip.to sip.ua sip.uri sip.via "
    "snmp.community snmp.pdu_type snmp.trap_oid snmp.trap_type snmp.usm snmp.version "
    "pgsql.query pop3.command imap.request ntp.mode ntp.stratum";

constexpr std::string_view kKnownProtocols =
    "arp bittorrent-dht dcerpc dhcp dnp3 dns doh2 enip ether ftp ftp-data ftp_data gre http2 icmp icmpv4 icmpv6 igmp "
    "ike "
    "ikev2 imap ip ip4 ip6 ipv4 ipv6 irc jabber krb5 ldap llmnr mdns modbus mqtt msn mysql nfs ntp pgsql pkthdr pop3 "
    "quic "
    "rdp rfb rsync sctp sip smb smtp snmp ssh ssl telnet template tftp tls vnc websocket";

// Calls `visit` for each word of a space-separated list.
template <class Visit>
void for_each_word(std::string_view words, Visit visit) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (end > 0) visit(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

// The keywords that the table of buffers gives the language.
void add_buffer_keywords(std::vector<KeywordInfo>& all) {
  for (size_t i = 0; i < kBufferCount; ++i) {
    const BufferInfo& row = kBuffers[i];
    const auto detail = static_cast<uint8_t>(i);
    if (Buffer{detail} == Buffer::kPayload) {
      all.push_back({row.name, ValueShape::kNone, &select_payload, detail});
    } else {
      all.push_back({row.name, ValueShape::kNoneOrSide, &select_buffer, detail});
    }
    if (!row.old_name.empty()) all.push_back({row.old_name, ValueShape::kNoneOrSide, &select_buffer, detail});
    if (!row.modifier.empty()) all.push_back({row.modifier, ValueShape::kNone, &move_content_to_buffer, detail});
  }
  for (size_t i = 0; i < kTransformNames.size(); ++i) {
    all.push_back({kTransformNames[i], ValueShape::kNone, &add_transform, static_cast<uint8_t>(i)});
  }
}

std::vector<KeywordInfo> sorted_keywords() {
  std::vector<KeywordInfo> all;
  for (const std::span<const KeywordInfo> part :
       {about_keywords(), content_keywords(), pcre_keywords(), byte_keywords(), packet_keywords()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  add_buffer_keywords(all);
  for_each_word(kUnsupportedNames, [&](std::string_view name) { all.push_back({name}); });
  std::sort(all.begin(), all.end(), [](const KeywordInfo& a, const KeywordInfo& b) { return a.name < b.name; });
  return all;
}

const std::vector<KeywordInfo>& table() {
  static const std::vector<KeywordInfo> all = sorted_keywords();
  return all;
}

using KeywordIndex = std::unordered_map<std::string_view, const KeywordInfo*>;

KeywordIndex index_keywords() {
  KeywordIndex index;
  for (const KeywordInfo& info : table()) index.emplace(info.name, &info);
  return index;
}

}  // namespace

std::span<const KeywordInfo> all_keywords() {
  return table();
}

const KeywordInfo* find_keyword(std::string_view name) {
  static const KeywordIndex index = index_keywords();
  if (const auto found = index.find(name); found != index.end()) return found->second;
  std::array<char, 64> lower;  // longer than any keyword
  if (name.size() > lower.size()) return nullptr;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const auto found = index.find(std::string_view(lower.data(), name.size()));
  return found == index.end() ? nullptr : found->second;
}

bool is_known_protocol(std::string_view name) {
  bool known = false;
  for_each_word(kKnownProtocols, [&](std::string_view word) { known = known || word == name; });
  return known;
}

}  // namespace gatetape
