package bpf

//go:generate go run ./gen
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package bpf -type flow_key -type flow_tag -type slot -type slot6 -type hop -type flow_stats -type more_sources -type rtp_source -type permission_key -type crowd -type bucket -type bucket_set -type share Relay turnpike.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package bpf -type choice -type owner -type record -type tally Capture capture.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu
