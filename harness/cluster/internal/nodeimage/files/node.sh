#!/bin/sh
# Runs in a container of the base, after kind's files, the programs and the
# images have been copied in. The first half is what kind's own Dockerfile does.
set -eu

find /lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
rm -f /lib/systemd/system/multi-user.target.wants/* \
	/etc/systemd/system/*.wants/* \
	/lib/systemd/system/local-fs.target.wants/* \
	/lib/systemd/system/sockets.target.wants/*udev* \
	/lib/systemd/system/sockets.target.wants/*initctl* \
	/lib/systemd/system/basic.target.wants/*
echo "ReadKMsg=no" >>/etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd /sbin/init
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
# It would register things in the host's kernel.
systemctl mask systemd-binfmt.service
systemctl set-default multi-user.target
mkdir -p /etc/kubernetes/manifests
ctr oci spec |
	jq '.hooks.createContainer[.hooks.createContainer|length] |= . + {"path": "/kind/bin/mount-product-files.sh"}' |
	jq 'del(.process.rlimits)' >/etc/containerd/cri-base.json

# Put the images into containerd's store. They stay packed; the first start of
# a node unpacks what it needs.
containerd >/rolecall/containerd.log 2>&1 &
tries=0
until ctr version >/dev/null 2>&1; do
	tries=$((tries + 1))
	if [ $tries -gt 600 ]; then
		echo "containerd does not answer:" >&2
		tail -n 20 /rolecall/containerd.log >&2
		exit 1
	fi
	sleep 0.1
done
ctr --namespace k8s.io images import --all-platforms --no-unpack /rolecall/images.tar >/dev/null
for ref in $(kubeadm config images list --kubernetes-version "$(cat /kind/version)"); do
	if [ -z "$(ctr --namespace k8s.io images list --quiet "name==$ref")" ]; then
		echo "kubeadm asks for the image $ref, which the list of pieces does not have" >&2
		exit 1
	fi
done
kill $!
wait $! || true
rm -rf /run/containerd /rolecall /tmp/* /var/log/*
