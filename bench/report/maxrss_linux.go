package main

const maxrssUnit = 1 << 10 // bytes: the kernel counts KiB
