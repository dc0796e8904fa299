package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPUTime is what all processes have used so far, in user and kernel mode.
func (g Group) CPUTime() (total time.Duration, err error) {
	for _, s := range g {
		pids, err := tree(s.PID)
		if err != nil {
			return 0, err
		}
		for _, pid := range pids {
			used, err := cpuTime(pid)
			if err != nil {
				return 0, err
			}
			total += used
		}
	}
	return total, nil
}

// PSS is the memory of all processes in bytes; what some share is counted once.
func (g Group) PSS() (total uint64, err error) {
	for _, s := range g {
		pids, err := tree(s.PID)
		if err != nil {
			return 0, err
		}
		for _, pid := range pids {
			n, err := kibibytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss")
			if err != nil {
				return 0, err
			}
			total += n
		}
	}
	return total, nil
}

// SystemMemory is PSS and what the kernel holds, in bytes.
func (g Group) SystemMemory() (uint64, error) {
	total, err := g.PSS()
	for _, key := range kernelMemory {
		if err != nil {
			return 0, err
		}
		var n uint64
		n, err = kibibytes("/proc/meminfo", key)
		total += n
	}
	return total, err
}

// tree is a process with all that descend from it.
func tree(pid int) ([]int, error) {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		if err != nil || len(children) == 0 {
			return nil, fmt.Errorf("process %d has ended", all[i])
		}
		for _, file := range children {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // a thread that ended
			}
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all, nil
}
