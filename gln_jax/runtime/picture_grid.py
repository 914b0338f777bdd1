"""Labelled grids of pictures, for a person to look at."""

import functools
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, QUIET_INK = (255, 255, 255), (20, 20, 20), (105, 105, 105)
GAP = 10  # pixels between pictures and around them
TITLE_SIZE, CAPTION_SIZE = 20, 15  # pixels that a line of text is high


def grid(titles, rows, captions=None, heading='', enlarge=2):
    """A picture of pictures: a title over each column, a caption under each cell, a heading over all.

    Args:
        titles: one string per column.
        rows: for each row a list of uint8 RGB images [h, w, 3], one per column, all of one size.
        captions: for each row a list of strings, one per column; what does not fit into its column's width is cut.
        heading: a line at the top, cut as well.
        enlarge: every pixel becomes a square of so many.
    Returns:
        uint8 RGB [H, W, 3].
    """
    height, width = (enlarge * length for length in rows[0][0].shape[:2])
    title_font, caption_font = _font(TITLE_SIZE), _font(CAPTION_SIZE)
    heading_height = _line_height(caption_font) + GAP if heading else 0
    title_height = _line_height(title_font) + GAP // 2
    caption_height = _line_height(caption_font) + GAP // 2 if captions else 0
    page_width = GAP + len(titles) * (width + GAP)
    page_height = GAP + heading_height + title_height + len(rows) * (height + caption_height + GAP)

    page = Image.new('RGB', (page_width, page_height), PAPER)
    draw = ImageDraw.Draw(page)
    if heading:
        draw.text((GAP, GAP), _fitting(heading, caption_font, page_width - 2 * GAP), QUIET_INK, caption_font)
    for column, title in enumerate(titles):
        left = GAP + column * (width + GAP)
        draw.text((left + width / 2, GAP + heading_height), _fitting(title, title_font, width), INK, title_font, 'ma')
        for row, pictures in enumerate(rows):
            top = GAP + heading_height + title_height + row * (height + caption_height + GAP)
            page.paste(Image.fromarray(pictures[column]).resize((width, height), Image.Resampling.NEAREST), (left, top))
            if captions:
                caption = _fitting(captions[row][column], caption_font, width)
                draw.text((left + width / 2, top + height + GAP // 2), caption, QUIET_INK, caption_font, 'ma')
    return np.asarray(page)


def png(picture):
    """The bytes of a PNG file that shows `picture`, uint8 RGB [H, W, 3]."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, 'PNG')
    return file.getvalue()


_font = functools.cache(ImageFont.load_default)


def _line_height(font):
    return sum(font.getmetrics())


def _fitting(text, font, width):
    """`text`, or as much of its beginning as fits into `width` pixels together with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + '...') > width:
        text = text[:-1]
    return text + '...'
