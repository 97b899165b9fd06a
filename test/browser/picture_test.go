//go:build linux

package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// maxPicture bounds a picture of a page, in bytes.
const maxPicture = 40_000

// shrink writes the pictures of a directory with a palette.
func shrink(t *testing.T, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "login-*.png"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		var small bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, flat(picture)); err != nil {
			t.Fatal(err)
		}
		if small.Len() > maxPicture {
			t.Errorf("%s has %d bytes", path, small.Len())
		}
		if err := os.WriteFile(path, small.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// flat returns a picture of at most 256 colours: pages have few, and shades of them
// at the edges of letters.
func flat(from image.Image) *image.Paletted {
	counts := map[color.NRGBA]int{}
	for y := from.Bounds().Min.Y; y < from.Bounds().Max.Y; y++ {
		for x := from.Bounds().Min.X; x < from.Bounds().Max.X; x++ {
			counts[at(from, x, y)]++
		}
	}
	for step := 1; ; step *= 2 {
		if p := inSteps(from, counts, step); p != nil {
			return p
		}
	}
}

func at(from image.Image, x, y int) color.NRGBA {
	return color.NRGBAModel.Convert(from.At(x, y)).(color.NRGBA)
}

// cube is where a colour lies when each part has only some steps.
type cube [3]uint8

func cubeOf(c color.NRGBA, step int) cube {
	return cube{uint8(int(c.R) / step), uint8(int(c.G) / step), uint8(int(c.B) / step)}
}

// inSteps has the most frequent colour of each cube stand for it, and returns nil if
// there are too many cubes.
func inSteps(from image.Image, counts map[color.NRGBA]int, step int) *image.Paletted {
	most := map[cube]color.NRGBA{}
	for _, c := range slices.SortedFunc(maps.Keys(counts), func(a, b color.NRGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	}) {
		if _, ok := most[cubeOf(c, step)]; !ok {
			most[cubeOf(c, step)] = c
		}
	}
	if len(most) > 256 {
		return nil
	}
	to, index := image.NewPaletted(from.Bounds(), nil), map[cube]uint8{}
	for _, q := range slices.SortedFunc(maps.Keys(most), func(a, b cube) int { return slices.Compare(a[:], b[:]) }) {
		index[q] = uint8(len(to.Palette))
		to.Palette = append(to.Palette, most[q])
	}
	for y := from.Bounds().Min.Y; y < from.Bounds().Max.Y; y++ {
		for x := from.Bounds().Min.X; x < from.Bounds().Max.X; x++ {
			to.SetColorIndex(x, y, index[cubeOf(at(from, x, y), step)])
		}
	}
	return to
}
