"""Documents to pages: PDF, TIFF of several pages, single images.

base     what all documents share
picture  a page's picture as a PDF stores it
pdf      PDF by PDFium (extra ``pdf``)
reader   opens any document
"""
