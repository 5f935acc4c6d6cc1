# consul-template -config consul-template.hcl
# keeps nginx's upstreams as Consul has them. A reload ends no streams: nginx's
# old workers go on until their last viewer has left.
consul {
  address = "127.0.0.1:8500"
}

# A rolling restart is one reload or two, not one for each change.
wait {
  min = "1s"
  max = "5s"
}

template {
  source      = "/etc/consul-template/barrage-upstreams.conf.ctmpl"
  destination = "/etc/nginx/barrage-upstreams.conf"
  command     = "nginx -t -q && nginx -s reload"
}
